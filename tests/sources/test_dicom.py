"""DICOM series and files: the samples that pydicom and SimpleITK give, where SimpleITK has them."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import zarr
from image_files import run
from numpy.testing import assert_allclose, assert_array_equal

import vrdask
from vrdask.sources import open_source

pydicom = pytest.importorskip("pydicom", minversion="3")
SimpleITK = pytest.importorskip("SimpleITK")
nibabel = pytest.importorskip("nibabel")

from dicom_files import OBLIQUE, SAGITTAL, SPACING, STRAIGHT, changed, ct, enhanced, series  # noqa: E402
from pydicom.data import get_testdata_file  # noqa: E402
from pydicom.pixels import apply_color_lut, apply_rescale, pixel_array  # noqa: E402

RNG = np.random.default_rng(0)
STORED = RNG.integers(0, 4096, (9, 20, 24)).astype("u2")
CT = {"BitsStored": 12, "HighBit": 11, "RescaleSlope": 1, "RescaleIntercept": -1024}


def whole(source):
    return source.array[(slice(None),) * source.ndim]


def by_itk(folder, uid=""):
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder), uid))
    return reader.Execute()


def ramp(image, world):
    """What a linear function of the world is at the samples of SimpleITK's image, in the array's order."""
    index = np.indices(image.GetSize()[::-1])[::-1].reshape(3, -1)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    points = np.array(image.GetOrigin())[:, None] + direction @ (np.array(image.GetSpacing())[:, None] * index)
    return (np.array(world) @ points).reshape(image.GetSize()[::-1])


def own_ramp(source, world):
    """The same by an affine in RAS."""
    affine = np.array(source.image.affine)
    index = np.indices(source.shape[:3]).reshape(3, -1)
    points = affine[:, :3] @ index + affine[:, 3:]
    return (np.array(world) * (-1, -1, 1) @ points).reshape(source.shape[:3])


WORLD = (1.0, 100.0, 10_000.0)


@pytest.mark.parametrize("directions", [STRAIGHT, SAGITTAL, OBLIQUE, (-1, 0, 0, 0, 1, 0)])
def test_a_series_is_what_simpleitk_reads_where_simpleitk_has_it(tmp_path, directions):
    paths = series(tmp_path / "scan", STORED, directions=directions, **CT)
    source = open_source(tmp_path / "scan")
    expected = by_itk(tmp_path / "scan")
    values = SimpleITK.GetArrayFromImage(expected)
    assert_array_equal(whole(source), values)
    assert_array_equal(whole(source), STORED.astype(int) - 1024)
    assert_array_equal(pickle.loads(pickle.dumps(source.array)).chunk((4, 0, 0), np.empty)[0], values[4])
    assert (source.dtype, source.axes, source.units) == (np.dtype("int16"), ("z", "y", "x"), ("millimeter",) * 3)
    assert source.spacing == pytest.approx((2.5, *SPACING))
    assert source.spacing == pytest.approx(expected.GetSpacing()[::-1])
    assert_allclose(own_ramp(source, WORLD), ramp(expected, WORLD), rtol=1e-7)
    assert_array_equal(whole(open_source(f"{tmp_path}/scan/IM*")), whole(source))
    assert source.array.files == tuple(map(str, paths))


def test_the_command_carries_the_place_through(tmp_path):
    series(tmp_path / "scan", STORED, directions=OBLIQUE, **CT)
    values = STORED.astype("i2") - 1024
    run("resample", f"{tmp_path}/scan/", tmp_path / "out.nii.gz", "--spacing", 1, "--quiet")
    made = SimpleITK.ReadImage(tmp_path / "out.nii.gz")
    result = SimpleITK.GetArrayFromImage(made)
    assert_array_equal(result, vrdask.resample(values, result.shape))
    assert made.GetSpacing() == pytest.approx([1, 1, 1], rel=0.05)
    affine = np.array(open_source(tmp_path / "out.nii.gz").image.affine)
    first, last = affine[:, 3], affine @ [*np.subtract(result.shape, 1), 1]
    before = np.array(open_source(tmp_path / "scan").image.affine)
    middle = before @ [*(np.subtract(STORED.shape, 1) / 2), 1]
    assert_allclose((first + last) / 2, middle, atol=1e-3)  # half-pixel centres: the middle stays
    run("pyramid", f"{tmp_path}/scan", tmp_path / "out.zarr", "--levels", 1, "--quiet")
    group = zarr.open_group(tmp_path / "out.zarr")
    assert_array_equal(group["0"][:], values)
    assert_array_equal(group["1"][:], vrdask.downsample(values, 2))
    assert_allclose(np.array(open_source(tmp_path / "out.zarr").image.affine), before, atol=1e-5)


@pytest.mark.parametrize(
    ("stored", "said", "dtype"),
    [
        ("u2", {}, "uint16"),
        ("i2", {}, "int16"),
        ("u1", {"RescaleSlope": 1, "RescaleIntercept": 0}, "uint8"),
        ("u2", {"BitsStored": 12, "HighBit": 11, "RescaleSlope": 1, "RescaleIntercept": -1024}, "int16"),
        ("u2", {"RescaleSlope": 1, "RescaleIntercept": -1024}, "int32"),
        ("i2", {"RescaleSlope": 1, "RescaleIntercept": -1024}, "int32"),
        ("u1", {"RescaleSlope": 2, "RescaleIntercept": 3}, "uint16"),
        ("u1", {"RescaleSlope": -1, "RescaleIntercept": 0}, "int16"),
        ("u2", {"RescaleSlope": 0.37, "RescaleIntercept": -3.5}, "float32"),
        ("i2", {"RescaleSlope": 1, "RescaleIntercept": 0.5}, "float32"),
    ],
)
def test_slopes_and_intercepts_are_exact_where_they_are_whole(tmp_path, stored, said, dtype):
    data = STORED.astype(stored)
    series(tmp_path / "scan", data, **said)
    source = open_source(tmp_path / "scan")
    assert source.dtype == dtype
    values = SimpleITK.GetArrayFromImage(by_itk(tmp_path / "scan"))
    assert_array_equal(whole(source), values.astype(dtype))
    result = vrdask.resample_zarr(tmp_path / "scan", tmp_path / "out.zarr", factor=0.5, mode="cubic")
    assert_array_equal(result[:], vrdask.resample(values.astype(dtype), result.shape, "cubic"))


def test_each_slice_has_its_own_slope(tmp_path):
    paths = series(tmp_path / "scan", STORED)
    for k, path in enumerate(paths):
        changed(path, RescaleSlope=0.5 + k, RescaleIntercept=k)
    expected = np.stack([apply_rescale(pixel_array(path), pydicom.dcmread(path)) for path in paths])
    assert_array_equal(whole(open_source(tmp_path / "scan")), expected.astype("f4"))


def test_more_bits_than_are_said_are_no_other_numbers(tmp_path):
    paths = series(tmp_path / "scan", STORED, **CT)
    changed(paths[4], BitsStored=11, HighBit=10)
    values = whole(open_source(tmp_path / "scan"))  # pydicom takes the bits that are said
    assert_array_equal(values[4], pixel_array(paths[4]).astype(int) - 1024)


def test_files_are_compared_by_what_they_hold(tmp_path):
    data = RNG.integers(0, 256, (4, 10, 12, 3), np.uint8)
    series(tmp_path / "colours", data, InstanceNumber=3)
    source = open_source(tmp_path / "colours")
    assert source.axes == ("z", "y", "x", "c")
    assert_array_equal(whole(source), data)
    assert json.loads(run("info", tmp_path / "colours", "--json"))["channels"] == ["R", "G", "B"]
    bits = {"BitsStored": 12, "HighBit": 11}
    series(tmp_path / "plain", STORED, **bits)
    series(tmp_path / "inverse", STORED, PhotometricInterpretation="MONOCHROME1", **bits)
    assert_array_equal(whole(open_source(tmp_path / "inverse")), STORED)
    options = ["--region", "z=3:4", "--factor", 1, "--mode", "nearest", "--window", "0,4095", "--quiet"]
    for name in ("inverse", "plain"):
        run("resample", tmp_path / name, tmp_path / f"{name}.png", *options)
    Picture = pytest.importorskip("PIL.Image")  # noqa: N806
    inverse, plain = (np.asarray(Picture.open(tmp_path / f"{name}.png")).astype(int) for name in ("inverse", "plain"))
    assert abs(inverse + plain - 255).max() <= 1


# pydicom's files


EQUAL = [
    "CT_small.dcm", "MR_small.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm",
    "MR_small_jp2klossless.dcm", "MR_small_padded.dcm", "693_J2KI.dcm", "JPEG2000.dcm", "SC_rgb_dcmtk_+eb+cr.dcm",
    "SC_rgb_dcmtk_+eb+cy+s4.dcm", "SC_rgb_rle_2frame.dcm", "SC_rgb_small_odd_big_endian.dcm", "image_dfl.dcm",
    "SC_ybr_full_422_uncompressed.dcm", "examples_overlay.dcm", "examples_rgb_color.dcm", "examples_ybr_color.dcm",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:The pixel data is")
@pytest.mark.parametrize("name", EQUAL)
def test_files_of_many_kinds_are_what_pydicom_and_simpleitk_read(name):
    path = get_testdata_file(name, download=False)
    source = open_source(path)
    file = pydicom.dcmread(path)
    assert_array_equal(whole(source), apply_rescale(pixel_array(file), file))
    image = SimpleITK.ReadImage(path)
    assert_array_equal(whole(source), SimpleITK.GetArrayFromImage(image).reshape(source.shape))
    if source.image.affine is not None:
        affine = np.array(source.image.affine)
        for x, y in ((0, 0), (5, 3)):
            place = image.TransformIndexToPhysicalPoint((x, y, 0))
            assert_allclose(affine @ [y, x, 1] * (-1, -1, 1), place, atol=1e-4)
    if file.get("PixelSpacing"):
        assert source.spacing[-2 - ("c" in source.axes) :][:2] == pytest.approx(list(file.PixelSpacing), rel=1e-4)


def test_a_palette_keeps_its_numbers_and_shows_its_colours(tmp_path):
    Picture = pytest.importorskip("PIL.Image")  # noqa: N806
    path = get_testdata_file("examples_palette.dcm", download=False)
    file = pydicom.dcmread(path)
    assert_array_equal(whole(open_source(path)), pixel_array(file))
    run("resample", path, tmp_path / "out.png", "--factor", 1, "--mode", "nearest", "--quiet")
    colours = apply_color_lut(pixel_array(file), file)
    assert_array_equal(np.asarray(Picture.open(tmp_path / "out.png")), (colours >> 8).astype("u1"))


@pytest.mark.parametrize("name", ["rtdose.dcm", "rtdose_rle.dcm"])
def test_a_dose_is_a_volume(name):
    path = get_testdata_file(name, download=False)
    source, file = open_source(path), pydicom.dcmread(path)
    assert_array_equal(whole(source), pixel_array(path) * float(file.DoseGridScaling))
    assert_allclose(own_ramp(source, WORLD), ramp(SimpleITK.ReadImage(path), WORLD), rtol=1e-6)


# Files of several frames


def test_an_enhanced_file_is_a_volume_in_the_order_of_its_places(tmp_path):
    scalings = [(1, -1000 - k) for k in range(len(STORED))]
    enhanced(STORED[::-1], directions=OBLIQUE, scalings=scalings).save_as(tmp_path / "a.dcm")
    series(tmp_path / "scan", STORED, directions=OBLIQUE)
    source, expected = open_source(tmp_path / "a.dcm"), open_source(tmp_path / "scan")
    shift = np.array([intercept for _, intercept in scalings])[:, None, None]
    assert_array_equal(whole(source), whole(expected).astype(int) + shift)
    assert_allclose(source.image.affine, expected.image.affine, atol=1e-5)
    assert source.array.chunks == (1, 20, 24)


def test_a_film_is_not_resampled_in_time(tmp_path):
    ct(STORED, None, None, FrameTime=40, Modality="US").save_as(tmp_path / "film.dcm")
    source = open_source(tmp_path / "film.dcm")
    assert (source.axes, source.spacing[0], source.units[0]) == (("t", "y", "x"), 0.04, "second")
    ct(STORED, None, None, PixelSpacing=None).save_as(tmp_path / "frames.dcm")
    assert open_source(tmp_path / "frames.dcm").axes == ("i", "y", "x")
    for name in ("film", "frames"):
        result = vrdask.resample_zarr(tmp_path / f"{name}.dcm", tmp_path / f"{name}.zarr", factor=0.5)
        assert_array_equal(result[:], vrdask.resample(STORED, (9, 10, 12)))


def test_slices_without_a_place_lie_in_the_order_of_their_numbers(tmp_path):
    (tmp_path / "scan").mkdir()
    for k, one in enumerate(STORED):
        ct(one, None, None, InstanceNumber=k + 1).save_as(tmp_path / "scan" / f"{9 - k}.dcm")
    source = open_source(tmp_path / "scan")
    assert_array_equal(whole(source), STORED)
    assert (source.axes, source.spacing[1:], source.image.affine) == (("z", "y", "x"), SPACING, None)
    assert np.isnan(source.spacing[0])
    with pytest.raises(ValueError, match="spacing must be known"):
        vrdask.resample_zarr(source, tmp_path / "out.zarr", spacing=1)


def test_a_tilted_gantry_is_a_shear(tmp_path):
    series(tmp_path / "scan", STORED, shift=(0, 0.6, 0))
    source = open_source(tmp_path / "scan")
    assert_allclose(np.array(source.image.affine)[:, 0], [0, -0.6, 2.5], atol=1e-6)
