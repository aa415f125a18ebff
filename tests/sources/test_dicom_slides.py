"""Whole slides in DICOM: the pixels that pydicom decodes, put together; levels, spacing, optical paths."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import zarr
from image_files import run
from numpy.testing import assert_array_equal
from refusals import refused

import vrdask
from vrdask.sources import dicom_slide, open_source

pydicom = pytest.importorskip("pydicom", minversion="3")
pytest.importorskip("imagecodecs")
pytest.importorskip("PIL")

from dicom_files import changed, series  # noqa: E402
from dicom_slides import TILE, levels, slide  # noqa: E402
from pydicom.pixels import pixel_array  # noqa: E402
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit  # noqa: E402

RNG = np.random.default_rng(2)
COLOURS = RNG.integers(0, 256, (1, 1, 70, 130, 3), np.uint8)
GREY = RNG.integers(0, 60_000, (3, 2, 40, 50)).astype("u2")
SYNTAXES = {"native": ExplicitVRLittleEndian, "jpeg": JPEGBaseline8Bit, "jpeg 2000": JPEG2000Lossless}


def whole(source):
    return source.array[(slice(None),) * source.ndim]


def assembled(path, rows, columns):
    """All frames of a TILED_FULL file as pydicom decodes them, put together."""
    tiles = pixel_array(path)
    across, down = -(-columns // TILE[1]), -(-rows // TILE[0])
    picture = tiles.reshape(down, across, *tiles.shape[1:]).swapaxes(1, 2)
    return picture.reshape(down * TILE[0], across * TILE[1], *tiles.shape[3:])[:rows, :columns]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("table", ["basic", "extended", "none"])
def test_colours_are_what_pydicom_decodes(tmp_path, syntax, table):
    path = slide(tmp_path / "a.dcm", COLOURS, syntax=SYNTAXES[syntax], table=table)
    source = open_source(path)
    assert (source.axes, source.shape, source.dtype) == (("y", "x", "c"), (70, 130, 3), np.dtype("u1"))
    assert_array_equal(whole(source), assembled(path, 70, 130))
    if syntax != "jpeg":
        assert_array_equal(whole(source), COLOURS[0, 0])
    assert source.array.chunks == (*TILE, 3)
    assert_array_equal(source.array[3:60, 20:100, 1:], whole(source)[3:60, 20:100, 1:])
    again = pickle.loads(pickle.dumps(source.array))
    assert_array_equal(again.chunk((4, 5, 0), np.empty), whole(source)[64:, 120:])
    assert (source.spacing[:2], source.units[:2]) == ((0.5, 0.25), ("micrometer",) * 2)
    assert source.array.files == (str(path),)


@pytest.mark.parametrize("syntax", ["native", "jpeg 2000"])
def test_frames_that_say_where_they_lie(tmp_path, syntax):
    left_out = [(0, 0, 1, 2), (0, 0, 4, 5)]
    path = slide(tmp_path / "a.dcm", COLOURS, syntax=SYNTAXES[syntax], sparse=True, leave_out=left_out)
    expected = COLOURS[0, 0].copy()
    for _, _, i, j in left_out:
        expected[i * TILE[0] : (i + 1) * TILE[0], j * TILE[1] : (j + 1) * TILE[1]] = 255
    source = open_source(path)
    assert_array_equal(whole(source), expected)
    assert "2 tiles of 30 are not there, and are white" in source.notes
    slide(tmp_path / "full.dcm", COLOURS, syntax=SYNTAXES[syntax], sparse=True)
    assert_array_equal(whole(open_source(tmp_path / "full.dcm")), COLOURS[0, 0])


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(("paths", "planes"), [(3, 2), (3, 1), (1, 2), (1, 1)])
def test_optical_paths_are_channels_and_focal_planes_slices(tmp_path, sparse, paths, planes):
    data = GREY[:paths, :planes]
    source = open_source(slide(tmp_path / "a.dcm", data, sparse=sparse))
    names = ("c",) * (paths > 1) + ("z",) * (planes > 1) + ("y", "x")
    assert (source.axes, source.shape) == (names, tuple(n for n in data.shape if n > 1))
    assert_array_equal(whole(source), data.squeeze())
    if planes > 1:
        assert (source.spacing[-3:], source.units[-3:]) == ((2.0, 0.5, 0.25), ("micrometer",) * 3)
    if paths > 1:
        assert [one["label"] for one in source.image.extra["omero"]["channels"]] == ["dye 0", "dye 1", "dye 2"]
        assert_array_equal(whole(open_source(tmp_path / "a.dcm", channel=2)), data[2].squeeze())


def test_frames_of_several_fragments(tmp_path):
    path = slide(tmp_path / "a.dcm", COLOURS, syntax=JPEG2000Lossless, fragments=3)
    assert_array_equal(whole(open_source(path)), COLOURS[0, 0])
    data = bytearray(slide(tmp_path / "c.dcm", COLOURS, syntax=JPEG2000Lossless).read_bytes())
    table = data.index(b"\xfe\xff\x00\xe0", data.index(b"\xe0\x7f\x10\x00OB")) + 8
    data[table + 4 * 20 : table + 4 * 21] = bytes(4)  # as 32 bits have it of a file of more than 4 GiB
    (tmp_path / "c.dcm").write_bytes(data)
    assert_array_equal(whole(open_source(tmp_path / "c.dcm")), COLOURS[0, 0])
    path = slide(tmp_path / "b.dcm", COLOURS, syntax=JPEG2000Lossless, fragments=3, table="none")
    assert "its 30 frames are in 90 fragments, without a table of offsets" in refused(path, tmp_path)


def test_files_of_a_folder_are_levels(tmp_path):
    levels(tmp_path / "slide", COLOURS, syntax=JPEG2000Lossless)
    source = open_source(tmp_path / "slide")
    assert source.levels == ((70, 130, 3), (35, 65, 3), (18, 33, 3))
    for level in range(3):
        one = open_source(tmp_path / "slide", level=level)
        assert_array_equal(whole(one), COLOURS[0, 0, :: 2**level, :: 2**level])
        assert one.spacing[:2] == pytest.approx((0.5 * 70 / one.shape[0], 0.25 * 130 / one.shape[1]))
    assert "level must be one of 0 (70x130x3), 1 (35x65x3), 2 (18x33x3) of" in refused(
        tmp_path / "slide", tmp_path, options=["--level", "3"]
    )
    said = json.loads(run("info", tmp_path / "slide", "--json"))
    assert said["channels"] == ["R", "G", "B"]
    assert "LABEL 10x12: " in said["details"]["beside"]
    label = open_source(tmp_path / "slide" / "0label.dcm")
    assert_array_equal(whole(label), COLOURS[0, 0, :10, :12])
    result = vrdask.resample_zarr(tmp_path / "slide", tmp_path / "out.zarr", factor=0.5)
    assert_array_equal(result[:], np.moveaxis(vrdask.resample(COLOURS[0, 0], (35, 65), axes=(0, 1)), -1, 0))
    run("pyramid", tmp_path / "slide", tmp_path / "pyramid.zarr", "--levels", 1, "--quiet")
    expected = np.moveaxis(vrdask.downsample(COLOURS[0, 0], (2, 2), axes=(0, 1)), -1, 0)
    assert_array_equal(zarr.open_group(tmp_path / "pyramid.zarr")["1"][:], expected)
    told = run("resample", tmp_path / "slide", tmp_path / "small.png", "--shape", "y=17,x=33")
    assert "slide: 18x33x3 uint8" in told  # the nearest larger level


def test_each_frame_is_decoded_once(tmp_path, monkeypatch):
    path = slide(tmp_path / "a.dcm", COLOURS, syntax=JPEG2000Lossless)
    times, decoded = [], dicom_slide.SlideFrames.decoded
    monkeypatch.setattr(dicom_slide.SlideFrames, "decoded", lambda self, k: times.append(k) or decoded(self, k))
    source = open_source(path)
    assert times == [0]  # to see whether it can be
    vrdask.resample_zarr(source, tmp_path / "out.zarr", factor=0.7, mode="cubic", chunks=(3, 20, 20))
    assert sorted(times[1:]) == list(range(30))


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"TotalPixelMatrixRows": 700}, "must have a frame for each tile, plane and path, 1x1x44x6; got 30 in"),
        ({"NumberOfFrames": 29}, "must have a frame for each tile, plane and path, 1x1x5x6; got 29 in"),
        ({"NumberOfFrames": 3000}, "a DICOM source must hold all its samples, 3000 frames"),
        ({"TotalPixelMatrixFocalPlanes": 2}, "must have a frame for each tile, plane and path, 1x2x5x6"),
        ({"DimensionOrganizationType": "TILED_SPARSE"}, "must say where each of its 30 frames lies; got 0 in"),
        ({"TotalPixelMatrixRows": 0}, "a slide must have positive sizes"),
        ({"InConcatenationTotalNumber": 2}, "a level of a slide must be in one file; got"),
        ({"PhotometricInterpretation": "HSV"}, "a DICOM source must be of one of MONOCHROME1"),
        ({"BitsAllocated": 12}, "a DICOM source must have integers of 1, 8, 16 or 32 bits"),
    ],
)
def test_slides_that_lie_are_refused(tmp_path, said, text):
    changed(slide(tmp_path / "a.dcm", COLOURS), **said)
    assert text in refused(tmp_path / "a.dcm", tmp_path)
    assert str(tmp_path / "a.dcm") in run("info", tmp_path / "a.dcm")


def test_damaged_slides_are_refused(tmp_path):
    data = slide(tmp_path / "a.dcm", COLOURS, syntax=JPEG2000Lossless, table="none").read_bytes()
    frame = data.index(b"\xff\x4f\xff\x51")
    larger = data[: frame + 8] + (1 << 30).to_bytes(4, "big") * 2 + data[frame + 16 :]
    for damaged in (data[:-3000], data[:500], larger):
        (tmp_path / "b.dcm").write_bytes(damaged)
        assert str(tmp_path / "b.dcm") in refused(tmp_path / "b.dcm", tmp_path)
    path = slide(tmp_path / "c.dcm", COLOURS, sparse=True)
    file = pydicom.dcmread(path)
    place = file.PerFrameFunctionalGroupsSequence[3].PlanePositionSlideSequence[0]
    before = place.RowPositionInTotalImagePixelMatrix
    place.RowPositionInTotalImagePixelMatrix = 5
    file.save_as(path)
    assert "tiles of a slide must lie side by side, 5x6 of 16x24; got one at row 5 and column" in refused(
        path, tmp_path
    )
    place.RowPositionInTotalImagePixelMatrix = before % 80 + 16 if before < 65 else 1
    file.save_as(path)
    assert "a slide must have one frame at each place; got" in refused(path, tmp_path)


def test_a_slide_among_other_files_is_told(tmp_path):
    series(tmp_path / "scan", GREY[0, 0][None])
    slide(tmp_path / "scan" / "zz.dcm", COLOURS)
    assert "got the whole slide" in refused(tmp_path / "scan", tmp_path)
    (tmp_path / "scan" / "zz.dcm").rename(tmp_path / "scan" / "00.dcm")
    assert "a DICOM source must be one slide, or none; got" in refused(tmp_path / "scan", tmp_path)
    (tmp_path / "two").mkdir()
    for k in range(2):
        slide(tmp_path / "two" / f"{k}.dcm", COLOURS)
    assert "levels of a slide must differ in size; got" in refused(tmp_path / "two", tmp_path)
    slide(tmp_path / "two" / "1.dcm", COLOURS, SeriesInstanceUID="1.2.3.5")
    assert "series must be the number, or the UID, of one of 1 (SM: 1 file of 70x130" in refused(
        tmp_path / "two", tmp_path
    )
    assert open_source(tmp_path / "two", series=2).shape == (70, 130, 3)
    slide(tmp_path / "paths.dcm", np.concatenate([COLOURS, COLOURS]))
    assert "a slide must have one optical path of colours" in refused(tmp_path / "paths.dcm", tmp_path)
