"""Headers that are walked without pydicom's data set say what pydicom says of them, or are left to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vrdask.sources import dicom_frames, open_source
from vrdask.sources.dicom_frames import KEYWORDS, Header, read_header
from vrdask.sources.dicom_scan import BLOCKS, scanned

pydicom = pytest.importorskip("pydicom", minversion="3")

from dicom_files import OBLIQUE, ct, enhanced, series  # noqa: E402
from pydicom.dataset import Dataset  # noqa: E402
from pydicom.uid import (  # noqa: E402
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

SLICE = np.random.default_rng(0).integers(0, 4096, (8, 10)).astype("u2")
PYDICOM = sorted(
    path for path in (Path(pydicom.__file__).parent / "data" / "test_files").rglob("*")
    if path.is_file() and (path.suffix == ".dcm" or "dicomdirtests" in path.parts)
)  # fmt: skip


def by_pydicom(path) -> Header | None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dicom_frames, "scanned", lambda *_: None)
        return read_header(str(path))


def outcome(read, path):
    try:
        return read(str(path))
    except Exception as error:
        return type(error), str(error)


def test_pydicoms_files_say_the_same():
    assert len(PYDICOM) > 100
    count = 0
    for path in PYDICOM:
        found = scanned(str(path), KEYWORDS)
        if found is None or not found.get("Rows"):
            continue
        expected = outcome(by_pydicom, path)
        assert outcome(read_header, path) == expected, path
        count += isinstance(expected, Header)
    assert count > 80


def inner(**elements):
    found = Dataset()
    for keyword, value in elements.items():
        setattr(found, keyword, value)
    return found


def nested(depth: int, undefined: bool = True):
    one = inner(CodeValue="1", CodeMeaning="x" * 30)
    for _ in range(depth):
        one = inner(ConceptNameCodeSequence=[one, inner(CodeValue="2")])
        one["ConceptNameCodeSequence"].is_undefined_length = undefined
        for item in one.ConceptNameCodeSequence:
            item.is_undefined_length_sequence_item = undefined
    return one


def written(path, syntax=ExplicitVRLittleEndian, depth=0, undefined=True, **said):
    file = ct(SLICE, directions=OBLIQUE, RescaleSlope="0.1", RescaleIntercept="-7.5", EchoTime="4.60", **said)
    if depth:
        file.ProcedureCodeSequence = nested(depth, undefined).ConceptNameCodeSequence
        file["ProcedureCodeSequence"].is_undefined_length = undefined
    file.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        file.PixelData = SLICE.astype(">u2").tobytes()
    file["PixelData"].VR = "OW"
    file.set_original_encoding(None, None)
    file.save_as(path, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=syntax != ExplicitVRBigEndian)
    return path


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("depth", [0, 1, 4])
def test_every_syntax_and_sequences_in_each_other(tmp_path, syntax, undefined, depth):
    path = written(tmp_path / "a.dcm", syntax, depth, undefined)
    found = scanned(str(path), KEYWORDS)
    assert found is not None
    assert found.values["EchoTime"] == "4.60"
    header = read_header(str(path))
    assert header == by_pydicom(path)
    assert dict(header.frames[0].orders)["EchoTime"] == 4.6


@pytest.mark.parametrize(
    ("characters", "text"),
    [("ISO_IR 100", "Schädel"), ("ISO_IR 192", "頭部 CT"), (["", "ISO 2022 IR 87"], "頭部 CT"), ("GB18030", "头部"),
     (None, "  two  words ")],
)  # fmt: skip
def test_descriptions_in_every_alphabet(tmp_path, characters, text):
    path = written(tmp_path / "a.dcm", SpecificCharacterSet=characters, SeriesDescription=text)
    assert scanned(str(path), KEYWORDS) is not None
    header = read_header(str(path))
    assert header.description == " ".join(text.split())
    assert header == by_pydicom(path)


@pytest.mark.parametrize("size", [BLOCKS[0], 3 * BLOCKS[0], BLOCKS[1]])
def test_headers_longer_than_a_block(tmp_path, size):
    file = ct(SLICE)
    file.add_new(0x00091001, "OB", bytes(size))
    file.add_new(0x00090010, "LO", "vrdask")
    file.save_as(tmp_path / "a.dcm")
    assert (scanned(str(tmp_path / "a.dcm"), KEYWORDS) is None) == (size == BLOCKS[1])
    assert read_header(str(tmp_path / "a.dcm")) == by_pydicom(tmp_path / "a.dcm")


def test_what_is_out_of_the_ordinary_is_left_to_pydicom(tmp_path):
    written(tmp_path / "deflated.dcm", DeflatedExplicitVRLittleEndian)
    enhanced(np.stack([SLICE, SLICE])).save_as(tmp_path / "enhanced.dcm")
    explicit = written(tmp_path / "explicit.dcm").read_bytes()
    lying = explicit.replace(b"UI\x14\x001.2.840.10008.1.2.1\0", b"UI\x14\x001.2.840.10008.1.2\0\0\0", 1)
    assert lying != explicit
    (tmp_path / "lying.dcm").write_bytes(lying)
    file = ct(SLICE)
    file["Rows"].VR = "UN"
    file["Rows"].value = SLICE.shape[0].to_bytes(2, "little")
    file.save_as(tmp_path / "unknown.dcm")
    for name in ("deflated", "enhanced", "unknown", "lying"):
        assert scanned(str(tmp_path / f"{name}.dcm"), KEYWORDS) is None, name
        assert isinstance(read_header(str(tmp_path / f"{name}.dcm")), Header)
    packed = ct(SLICE)
    packed.compress(RLELossless)
    packed.save_as(tmp_path / "packed.dcm")
    assert scanned(str(tmp_path / "packed.dcm"), KEYWORDS) is not None
    assert read_header(str(tmp_path / "packed.dcm")) == by_pydicom(tmp_path / "packed.dcm")


def test_truncated_headers_are_left_to_pydicom(tmp_path):
    data = written(tmp_path / "a.dcm", depth=2).read_bytes()
    stop = data.index(b"\xe0\x7f\x10\0")
    for length in range(132, stop, 7):
        (tmp_path / "b.dcm").write_bytes(data[:length])
        found = scanned(str(tmp_path / "b.dcm"), KEYWORDS)
        assert found is None or found.samples_at == length
        expected = outcome(by_pydicom, tmp_path / "b.dcm")
        assert not isinstance(expected, Header)
        assert outcome(read_header, tmp_path / "b.dcm") == expected


def test_a_series_is_opened_without_a_data_set_for_each_file(tmp_path, monkeypatch):
    series(tmp_path / "scan", np.stack([SLICE] * 12))
    read, times = pydicom.dcmread, []
    monkeypatch.setattr(pydicom, "dcmread", lambda *args, **options: times.append(args) or read(*args, **options))
    assert open_source(tmp_path / "scan").shape == (12, 8, 10)
    assert len(times) == 1  # of the first, for what is not carried on
