"""DICOM that is no volume, or not all of one: refused in one line that names the files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from image_files import run
from numpy.testing import assert_array_equal
from refusals import refused

from vrdask.sources import open_source

pydicom = pytest.importorskip("pydicom", minversion="3")

from dicom_files import ORIGIN, SAGITTAL, changed, series  # noqa: E402
from pydicom.data import get_testdata_file  # noqa: E402
from pydicom.pixels import pixel_array  # noqa: E402

STORED = np.random.default_rng(0).integers(0, 4096, (9, 20, 24)).astype("u2")


def whole(source):
    return source.array[(slice(None),) * source.ndim]


def test_several_series_are_listed_and_one_is_chosen(tmp_path):
    series(tmp_path / "scan", STORED, SeriesNumber=7, SeriesDescription="T1  axial", SeriesInstanceUID="1.2.7")
    for path in series(tmp_path / "other", STORED[:4] + 1, SeriesNumber=2, SeriesInstanceUID="1.2.9"):
        path.rename(tmp_path / "scan" / f"X{path.name}")
    said = (
        "series must be the number, or the UID, of one of 1 (CT: 4 files of 20x24, 1.2.9); "
        f"2 (T1 axial, CT: 9 files of 20x24, 1.2.7): of {tmp_path / 'scan'}; got 0"
    )
    assert said in refused(tmp_path / "scan", tmp_path)
    assert "got 3" in refused(tmp_path / "scan", tmp_path, options=["--series", "3"])
    assert "got 1.2.8" in refused(tmp_path / "scan", tmp_path, options=["--series", "1.2.8"])
    for which in (1, "1.2.9"):
        assert_array_equal(whole(open_source(tmp_path / "scan", series=which)), STORED[:4] + 1)
        assert "DICOM series of 4 files" in run("info", tmp_path / "scan", "--series", which)
    assert_array_equal(whole(open_source(tmp_path / "scan", series=2)), STORED)
    assert "level must be 0 for" in refused(tmp_path / "scan", tmp_path, options=["--level", "1", "--series", "1"])


def test_other_files_beside_a_series_are_let_lie(tmp_path):
    series(tmp_path / "scan", STORED)
    (tmp_path / "scan" / "notes.txt").write_text("of no matter")
    (tmp_path / "scan" / "DICOMDIR").write_bytes(Path(get_testdata_file("DICOMDIR", download=False)).read_bytes())
    (tmp_path / "scan" / "report").write_bytes(Path(get_testdata_file("test-SR.dcm", download=False)).read_bytes())
    assert_array_equal(whole(open_source(tmp_path / "scan")), STORED)


def test_a_slice_that_is_missing_is_told_by_its_neighbours(tmp_path):
    for k in (1, 4, 7):
        paths = series(tmp_path / str(k), STORED)
        paths.pop(k).unlink()
        said = f"got 5 mm from {paths[k - 1]} to {paths[k]}, where others lie 2.5 mm apart: a slice is missing"
        assert f"slices must lie at equal distances; {said}" in refused(tmp_path / str(k), tmp_path)


def test_a_slice_that_is_there_twice_is_named(tmp_path):
    paths = series(tmp_path / "scan", STORED)
    (tmp_path / "scan" / "copy").write_bytes(paths[3].read_bytes())
    for named in (str(paths[3]), str(tmp_path / "scan" / "copy"), "both at 40.5 mm along the normal"):
        assert named in refused(tmp_path / "scan", tmp_path)
    assert "slices must lie at different positions; got " in run("info", tmp_path / "scan")
    (tmp_path / "scan" / "copy").unlink()
    changed(paths[3], ImagePositionPatient=[*ORIGIN[:2], ORIGIN[2] + 2.5 * 3.5])
    assert "slices must lie at equal distances; got 3.75 mm from " in refused(tmp_path / "scan", tmp_path)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"ImageOrientationPatient": list(SAGITTAL)}, "frames must agree in directions; got"),
        ({"PixelSpacing": [0.5, 0.8]}, "frames must agree in spacing; got"),
        ({"PixelSpacing": None}, "all frames must say their spacing, or none; got"),
        ({"ImagePositionPatient": None}, "all frames must say their position, or none; got"),
        ({"ImagePositionPatient": [0, 0, ORIGIN[2] + 10]}, "slices must lie on one line; got"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "must be perpendicular directions; got"),
        ({"Rows": 19}, "frames must agree in size and type; got"),
        ({"PixelRepresentation": 1}, "frames must agree in size and type; got"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "frames must agree in size and type; got"),
        ({"PhotometricInterpretation": "HSV"}, "a DICOM source must be of one of MONOCHROME1, "),
        ({"BitsAllocated": 12}, "a DICOM source must have integers of 1, 8, 16 or 32 bits; got"),
        ({"RescaleSlope": 0}, "RescaleSlope must not be 0; got"),
        ({"Rows": 60_000}, "a DICOM source must hold all its samples, 2880000 bytes"),
        ({"NumberOfFrames": 2}, "a DICOM source must hold all its samples, 1920 bytes for 2 frames"),
        ({"ModalityLUTSequence": []}, "a DICOM source must have a rescale slope and intercept or none"),
        ({"TotalPixelMatrixColumns": 100}, "got the whole slide"),
    ],
)  # fmt: skip
def test_a_file_that_deviates_or_is_not_understood_is_named(tmp_path, said, text):
    paths = series(tmp_path / "scan", STORED)
    changed(paths[4], **said)
    assert text in refused(tmp_path / "scan", tmp_path)
    assert str(paths[4]) in run("info", tmp_path / "scan")


def test_damaged_files_are_named(tmp_path):
    paths = series(tmp_path / "scan", STORED)
    data = paths[4].read_bytes()
    for damaged in (data[:-100], data[:400], data[:140]):
        paths[4].write_bytes(damaged)
        assert str(tmp_path / "scan") in refused(tmp_path / "scan", tmp_path)
    paths[0].write_bytes(data[:400])  # a file at the end of the row must not go without a word
    paths[4].write_bytes(data)
    assert str(paths[0]) in refused(tmp_path / "scan", tmp_path)
    (tmp_path / "a.dcm").write_bytes(b"nothing")
    assert "a DICOM source must have DICM at byte 128; got" in refused(tmp_path / "a.dcm", tmp_path)
    report = get_testdata_file("test-SR.dcm", download=False)
    assert "a DICOM source must hold an image; got none in 1 file of" in refused(report, tmp_path)
    assert "must hold all its samples" in refused(get_testdata_file("MR_truncated.dcm", download=False), tmp_path)


def test_no_file_of_a_series_is_a_target(tmp_path):
    paths = series(tmp_path / "scan", STORED)
    before = [path.read_bytes() for path in paths]
    for place in (tmp_path / "scan", f"{tmp_path}/scan/IM*"):
        for target in (tmp_path / "scan", tmp_path, paths[0]):
            told = run("resample", place, target, "--factor", 0.5, "--overwrite")
            assert "target must lie outside the source" in told, told
    assert [path.read_bytes() for path in paths] == before


def test_a_compression_that_cannot_be_decoded_here_is_named_with_what_does(tmp_path):
    for name, said in {
        "MR_small_jpeg_ls_lossless.dcm": "got JPEG-LS Lossless Image Compression in",
        "SC_rgb_jpeg_gdcm.dcm": "got JPEG Lossless, Non-Hierarchical",
        "JPEG-lossy.dcm": "got JPEG Extended (Process 2 and 4) in",
    }.items():
        path = get_testdata_file(name, download=False)
        if _can_be_decoded(path):
            continue
        told = run("resample", path, tmp_path / "out.zarr", "--factor", 0.5)
        assert told.startswith(f"Error: a DICOM source must have a compression that can be decoded; {said}")
        assert "pip install 'pylibjpeg[all]'" in told


def _can_be_decoded(path):
    try:
        return pixel_array(path) is not None
    except Exception:
        return False
