"""Files as sources (TIFF, NIfTI, npy): their samples, axes, levels and channels."""

from __future__ import annotations

import pickle
import re
import zipfile
from pathlib import Path

import image_files
import numpy as np
import ome_images
import pytest
import zarr
from clusters import two_workers
from image_files import CHANNELS, COLOUR, GREY, STACK, channels_first, pyramid, run
from numpy.testing import assert_array_equal

import vrdask
import vrdask.api.affine_zarr
from vrdask.images.ome_zarr import read_multiscale
from vrdask.sources import open_source

tifffile = pytest.importorskip("tifffile")

file = image_files.file


def test_a_file_is_an_array_with_axes(file):
    path, data, axes = file
    source = open_source(path)
    assert (source.array.shape, source.array.dtype) == (data.shape, data.dtype)
    assert "".join(source.image.axis_names if source.image else "") == axes
    assert_array_equal(source.array[tuple(slice(0, n) for n in data.shape)], data)
    box = tuple(slice(n // 3, n // 3 + 2) for n in data.shape)
    assert_array_equal(source.array[box], data[box])
    again = pickle.dumps(source.array)
    assert len(again) < 1000  # a path, no samples
    assert_array_equal(pickle.loads(again)[box], data[box])


@pytest.mark.parametrize("mode", ["lanczos", "cubic"])
def test_a_file_goes_to_zarr_with_the_bits_of_its_array(file, mode, tmp_path):
    path, data, axes = file
    result = vrdask.resample_zarr(path, tmp_path / "out.zarr", factor=0.4, mode=mode, num_threads=2)
    space = [axis for axis, name in enumerate(axes or "xyz") if name in "xyz"]
    shape = [int(data.shape[axis] * 0.4 + 0.5) for axis in space]
    assert_array_equal(result[...], channels_first(vrdask.resample(data, shape, mode, axes=space), axes))


@pytest.fixture(scope="class")
def client():
    with two_workers() as connected:
        yield connected


class TestOnACluster:
    """In a class, so that the client is no longer the active one in the tests that follow."""

    def test_workers_open_files_themselves(self, file, tmp_path, client):
        path, data, axes = file
        result = vrdask.resample_zarr(path, tmp_path / "out.zarr", factor=0.5, mode="area")
        space = [axis for axis, name in enumerate(axes or "xyz") if name in "xyz"]
        shape = [int(data.shape[axis] * 0.5 + 0.5) for axis in space]
        assert_array_equal(result[...], channels_first(vrdask.resample(data, shape, "area", axes=space), axes))


def test_levels_series_and_channels_are_chosen(tmp_path):
    pyramid(tmp_path / "pyramid.tif")
    for level, step in enumerate((1, 2, 4)):
        source = open_source(tmp_path / "pyramid.tif", level=level)
        assert_array_equal(source.array[:, :], COLOUR[::step, ::step])
    tifffile.imwrite(tmp_path / "two.tif", GREY, metadata=None)
    tifffile.imwrite(tmp_path / "two.tif", STACK[0], append=True, metadata=None)
    assert_array_equal(open_source(tmp_path / "two.tif", series=1).array[:, :], STACK[0])
    red = open_source(tmp_path / "pyramid.tif", level=1, channel=0)
    assert red.image.axis_names == red.layout.dimension_names == ("y", "x")
    assert_array_equal(red.array[:, :], COLOUR[::2, ::2, 0])
    result = vrdask.resample_zarr(red, tmp_path / "red.zarr", (50, 60), mode="lanczos")
    assert_array_equal(result[...], vrdask.resample(COLOUR[::2, ::2, 0], (50, 60), "lanczos"))
    assert run("resample", tmp_path / "two.tif", tmp_path / "two.zarr", "--series", 1, "--factor", 0.5, "--quiet") == ""
    assert zarr.open_array(tmp_path / "two.zarr").shape == (20, 30)


def test_levels_and_channels_of_ome_zarr_are_chosen(tmp_path):
    group = zarr.create_group(tmp_path / "image.zarr")
    for level, step in enumerate((1, 2)):
        group.create_array(str(level), data=CHANNELS[..., ::step, ::step].copy(), chunks=(1, 2, 32, 32))
    axes = [{"name": name, "type": "channel" if name == "c" else "space"} for name in "czyx"]
    datasets = [
        {"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": [1, 2, 0.5 * step, 0.5 * step]}]}
        for level, step in enumerate((1, 2))
    ]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    source = open_source(tmp_path / "image.zarr", level=1, channel=2)
    assert source.image.scale == (2, 1, 1)
    target = tmp_path / "out.zarr"
    result = vrdask.resample_zarr(source, target, spacing=2, mode="area")
    assert_array_equal(result[...], vrdask.resample(CHANNELS[2, ..., ::2, ::2], (4, 23, 28), "area"))
    assert read_multiscale(zarr.open_group(target).attrs.asdict()).axis_names == ("z", "y", "x")
    assert "level must be one of 0 (0), 1 (1); got 2" in run("info", tmp_path / "image.zarr", "--level", 2)


@pytest.mark.parametrize(
    "options", [{}, {"tile": (64, 64), "compression": "zlib"}, {"rowsperstrip": 16, "compression": "lzw"}]
)
@pytest.mark.parametrize("dtype", ["i8", "u8", ">i8", "f2", "f8", "c8", "c16", "?"])
def test_tiffs_of_every_type_go_to_every_target(tmp_path, dtype, options):
    data = (np.arange(300 * 400).reshape(300, 400) % 251 * (2**55 + 1 if dtype[-2:] in ("i8", "u8") else 1)).astype(
        dtype
    )
    tifffile.imwrite(tmp_path / "x.tif", data, byteorder=">" if ">" in dtype else "<", **options)
    expected = vrdask.resample(data, (150, 200), "nearest")
    for target in ("x.zarr", "out.tif"):
        result = vrdask.resample_zarr(tmp_path / "x.tif", tmp_path / target, factor=0.5, mode="nearest")
        assert_array_equal(result[...], expected)
    assert_array_equal(tifffile.imread(tmp_path / "out.tif"), expected)
    assert open_source(tmp_path / "x.tif").array.dtype.char == np.dtype(dtype.lstrip(">")).char
    if dtype in ("i8", "f8"):
        matrix = vrdask.api.affine_zarr.affine_zarr(tmp_path / "x.tif", tmp_path / "y.zarr", np.eye(2))
        assert_array_equal(matrix[...], data)


@pytest.mark.parametrize("name", ["x.zip", "x.ozx"])
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zipped_array_is_read_where_it_is(tmp_path, monkeypatch, name, compression):
    zarr.create_array(tmp_path / "x.zarr", data=STACK, chunks=(2, 20, 30))
    with zipfile.ZipFile(tmp_path / name, "w", compression) as file:
        for one in (tmp_path / "x.zarr").rglob("*"):
            if one.is_file():
                file.write(one, one.relative_to(tmp_path / "x.zarr").as_posix())
    before = (tmp_path / name).stat().st_mtime_ns
    monkeypatch.chdir(tmp_path)
    for place in (name, tmp_path / name):
        result = vrdask.resample_zarr(place, tmp_path / "out.zarr", factor=0.5, num_threads=2, overwrite=True)
        assert_array_equal(result[...], vrdask.resample(STACK, (3, 20, 30)))
    array = pickle.loads(pickle.dumps(open_source(name).array))
    assert_array_equal(array[1:3], STACK[1:3])
    assert "5x40x60" in run("info", name)
    assert (tmp_path / name).stat().st_mtime_ns == before


@pytest.mark.parametrize("kind", ["0.4", "0.5"])
@pytest.mark.parametrize("name", ["x.zip", "x.ozx"])
@pytest.mark.parametrize("inner", ["", "a/0/"])
def test_a_path_leads_into_a_zip_file(tmp_path, kind, name, inner):
    data = ome_images.write(tmp_path / "x.zarr", kind)
    with zipfile.ZipFile(tmp_path / name, "w") as file:
        for one in (tmp_path / "x.zarr").rglob("*"):
            if one.is_file():
                file.write(one, inner + one.relative_to(tmp_path / "x.zarr").as_posix())
    for way in (inner, f"{inner}s0"):
        place = f"{tmp_path / name}/{way}"
        result = vrdask.resample_zarr(place, tmp_path / "out.zarr", factor=0.5, overwrite=True)
        assert_array_equal(result[...], vrdask.resample(data, (2, 6, 5, 7), axes=(0, 1, 2, 3)))
        assert vrdask.open(tmp_path / "out.zarr").spacing == (1, 4, 1, 1.5)
        assert open_source(place).image.path == "s0"
        assert_array_equal(pickle.loads(pickle.dumps(open_source(place).array))[0], data[0])
    top = f"; the file holds {tmp_path / name}/{inner.split('/')[0]}" if inner else ""
    for way in ("nothing", "nothing/0", *([""] if inner else [])):
        with pytest.raises(FileNotFoundError, match=re.escape(f"found neither at {Path(tmp_path / name, way)}{top}")):
            open_source(f"{tmp_path / name}/{way}")
    with pytest.raises(ValueError, match="target must lie outside the source"):
        vrdask.resample_zarr(f"{tmp_path / name}/{inner}", f"{tmp_path / name}/out.zarr", factor=0.5)


@pytest.mark.parametrize("bits", [1, 2, 4, 12])
def test_samples_of_a_few_bits_are_read_as_by_tifffile(tmp_path, bits):
    rows = (np.arange(40 * 48) % 2**bits).reshape(40, 48)
    digits = (rows[..., None] >> np.arange(bits)[::-1] & 1).astype(np.uint8).reshape(40, -1)
    packed = np.packbits(digits, axis=1)
    tifffile.imwrite(tmp_path / "x.tif", packed, metadata=None, photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "x.tif", mode="r+") as file:
        file.pages[0].tags["ImageWidth"].overwrite(48)
        file.pages[0].tags["BitsPerSample"].overwrite(bits)
    expected = tifffile.imread(tmp_path / "x.tif")
    assert_array_equal(expected, rows)
    result = vrdask.resample_zarr(tmp_path / "x.tif", tmp_path / "x.zarr", factor=0.5, mode="nearest")
    assert_array_equal(result[...], vrdask.resample(expected, (20, 24), "nearest"))


@pytest.mark.parametrize("dtype", [np.longlong, np.ulonglong, "q", "l"])
def test_types_by_any_of_their_names_are_stored(tmp_path, dtype):
    data = np.arange(12).astype(dtype)
    np.save(tmp_path / "x.npy", data)
    source = zarr.create_array({}, data=np.arange(12.0))
    results = (vrdask.resample_zarr(tmp_path / "x.npy", {}, 6), vrdask.resample_zarr(source, {}, 6, dtype=dtype))
    for result in results:
        assert result.dtype == data.dtype
        assert_array_equal(result[...], vrdask.resample(data, 6))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (np.zeros(9, np.longdouble), np.dtype(np.longdouble).name),
        (np.zeros(9, np.clongdouble), np.dtype(np.clongdouble).name),
        (np.zeros(9, [("a", "i4"), ("b", "f4")]), "records"),
        (np.array(["ab"]), "<U2"),
    ],
)
def test_npy_files_of_what_zarr_cannot_hold_are_refused(tmp_path, data, said):
    if data.dtype.itemsize in (8, 16) and data.dtype.kind in "fc" and np.dtype(data.dtype.str).char in "dD":
        pytest.skip("a long double is a double here")
    np.save(tmp_path / "x.npy", data)
    assert f"with {said}" in run("info", tmp_path / "x.npy")
