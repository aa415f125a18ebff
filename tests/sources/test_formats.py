"""Files as sources (TIFF, NIfTI, npy) and as targets (PNG, TIFF): samples, pixel sizes, memory, errors."""

from __future__ import annotations

import gzip
import pickle
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from clusters import two_workers
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

import vrdask
import vrdask.api.affine_zarr
from vrdask.boxes import slices_of
from vrdask.cli import main
from vrdask.images.ome_zarr import read_multiscale
from vrdask.sources import open_source

tifffile = pytest.importorskip("tifffile")
nibabel = pytest.importorskip("nibabel")
pytest.importorskip("imagecodecs")

COLOUR = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
GREY = COLOUR[..., 0].copy()
STACK = np.random.default_rng(1).integers(0, 60_000, (5, 40, 60), np.uint16)
CHANNELS = np.random.default_rng(2).integers(0, 256, (3, 4, 90, 110), np.uint8)
VOLUME = np.random.default_rng(3).integers(-1000, 1000, (20, 25, 30)).astype(np.int16)
ZYX = {"axes": "ZYX"}
APERIO = "Aperio Image Library v11.2.1\n400x300 [0,0 400x300] (128x128) JPEG/RGB Q=70|AppMag = 20|MPP = 0.4990"


def pyramid(path: Path, description: str | None = None, **options) -> None:
    with tifffile.TiffWriter(path) as file:
        common = {"tile": (128, 128), "photometric": "rgb", "compression": "zlib"}
        file.write(COLOUR, subifds=2, description=description, **common, **options)
        for step in (2, 4):
            file.write(COLOUR[::step, ::step].copy(), subfiletype=1, **common)


def slide(path: Path) -> None:
    """What a scanner of Aperio writes: the slide, a thumbnail in strips, the slide at a quarter."""
    with tifffile.TiffWriter(path) as file:
        tiled = {"tile": (128, 128), "photometric": "rgb", "compression": "jpeg", "metadata": None}
        file.write(COLOUR, description=APERIO, **tiled)
        file.write(
            COLOUR[::8, ::8].copy(),
            photometric="rgb",
            description="Aperio Image Library v11.2.1\nthumbnail",
            metadata=None,
        )
        file.write(COLOUR[::4, ::4].copy(), description=APERIO.split("|")[0], **tiled)


def ome(path: Path, data=COLOUR, axes="YXS", **sizes) -> None:
    metadata = {"axes": axes}
    for axis, size in sizes.items():
        metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "µm"}
    options = {"photometric": "rgb"} if axes.endswith("S") else {"photometric": "minisblack"}
    tifffile.imwrite(path, data, ome=True, tile=(64, 64), compression="zlib", metadata=metadata, **options)


def nifti(path: Path, slope: float | None = None) -> None:
    image = nibabel.Nifti1Image(VOLUME, np.diag([0.8, 0.8, 3.0, 1.0]))
    image.header.set_xyzt_units("mm", "sec")
    if slope is not None:
        image.header.set_slope_inter(slope, 10)
    nibabel.save(image, path)


FILES = {
    "pyramid.tif": (pyramid, COLOUR, "yxc"),
    "slide.svs": (slide, None, "yxc"),
    "small.ome.tif": (ome, COLOUR, "yxc"),
    "channels.ome.tif": (lambda path: ome(path, CHANNELS, "CZYX", X=0.5, Y=0.5, Z=2.0), CHANNELS, "czyx"),
    "tiled.tif": (lambda path: tifffile.imwrite(path, GREY, tile=(64, 64), compression="lzw"), GREY, "yx"),
    "strips.tif": (lambda path: tifffile.imwrite(path, COLOUR, rowsperstrip=16, compression="zstd"), COLOUR, "yxc"),
    "planes.tif": (
        lambda path: tifffile.imwrite(
            path, np.moveaxis(COLOUR, 2, 0).copy(), planarconfig="separate", photometric="rgb", tile=(64, 64)
        ),
        np.moveaxis(COLOUR, 2, 0),
        "cyx",
    ),
    "mapped.tif": (lambda path: tifffile.imwrite(path, GREY.astype(">u2"), byteorder=">"), GREY.astype("u2"), "yx"),
    "pages.tif": (lambda path: tifffile.imwrite(path, STACK, compression="zlib", metadata=ZYX), STACK, "zyx"),
    "imagej.tif": (lambda path: tifffile.imwrite(path, STACK, imagej=True, metadata=ZYX), STACK, "zyx"),
    "volume.nii": (nifti, VOLUME, "xyz"),
    "volume.nii.gz": (nifti, VOLUME, "xyz"),
    "scaled.nii": (lambda path: nifti(path, 0.25), None, "xyz"),
    "volume.npy": (lambda path: np.save(path, VOLUME), VOLUME, ""),
    "fortran.npy": (lambda path: np.save(path, np.asfortranarray(VOLUME)), VOLUME, ""),
}  # fmt: skip


@pytest.fixture(params=FILES)
def file(request, tmp_path):
    """A file's path and its samples, as the library of its format gives them."""
    write, data, axes = FILES[request.param]
    path = tmp_path / request.param
    write(path)
    if data is None:
        data = (
            np.asarray(nibabel.load(path).dataobj)
            if path.suffix == ".nii"
            else tifffile.imread(path, series=0, level=0)
        )
    return path, data, axes


def run(*arguments) -> str:
    """The output of a command that succeeds; its error in one line, where it fails as it should."""
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code in (0, 1), done.output
    assert done.exit_code == 0 or done.output.count("\n") == 1
    return done.output


# Sources


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
    assert_array_equal(result[...], vrdask.resample(data, shape, mode, axes=space))


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
        assert_array_equal(result[...], vrdask.resample(data, shape, "area", axes=space))


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


# Pixel sizes


def sizes_of(path, **which):
    image = open_source(path, **which).image
    found = {axis["name"]: (s, axis.get("unit")) for axis, s in zip(image.axes, image.scale, strict=True)}
    return {name: size for name, size in found.items() if name != "c"}


def test_pixel_sizes_are_found(tmp_path):
    def approximately(micrometres, **sizes):
        return {axis: (pytest.approx(size), micrometres) for axis, size in sizes.items()}

    path = tmp_path / "a.ome.tif"
    ome(path, CHANNELS, "CZYX", X=0.25, Y=0.5, Z=2.0)
    assert sizes_of(path) == approximately("micrometer", x=0.25, y=0.5, z=2.0)
    slide(tmp_path / "a.svs")
    assert sizes_of(tmp_path / "a.svs") == approximately("micrometer", x=0.499, y=0.499)
    assert sizes_of(tmp_path / "a.svs", level=1) == approximately("micrometer", x=4 * 0.499, y=4 * 0.499)
    tifffile.imwrite(tmp_path / "cm.tif", GREY, resolution=(20_000, 10_000), resolutionunit="CENTIMETER")
    assert sizes_of(tmp_path / "cm.tif") == approximately("micrometer", x=0.5, y=1)
    tifffile.imwrite(tmp_path / "inch.tif", GREY, resolution=(25_400, 25_400), resolutionunit="INCH")
    assert sizes_of(tmp_path / "inch.tif") == approximately("micrometer", x=1, y=1)
    metadata = {"axes": "ZYX", "spacing": 3.0, "unit": "um"}
    tifffile.imwrite(tmp_path / "ij.tif", STACK, imagej=True, resolution=(2, 4), metadata=metadata)
    assert sizes_of(tmp_path / "ij.tif") == approximately("micrometer", x=0.5, y=0.25, z=3)
    nifti(tmp_path / "a.nii.gz")
    assert sizes_of(tmp_path / "a.nii.gz") == approximately("millimeter", x=0.8, y=0.8, z=3)
    pyramid(tmp_path / "none.tif")
    assert all(np.isnan(size) for size, _ in sizes_of(tmp_path / "none.tif").values())


def test_spacing_resamples_a_file_and_its_target_says_so(tmp_path):
    nifti(tmp_path / "ct.nii")
    result = vrdask.resample_zarr(tmp_path / "ct.nii", tmp_path / "ct.zarr", spacing=1.5, mode="linear")
    assert result.shape == (11, 13, 60)
    image = read_multiscale(zarr.open_group(tmp_path / "ct.zarr").attrs.asdict())
    assert image.scale == pytest.approx((0.8 * 20 / 11, 0.8 * 25 / 13, 1.5))
    assert image.axes[0] == {"name": "x", "type": "space", "unit": "millimeter"}
    # colours last is no OME-Zarr: an array that says its pixel size itself, and is read back with it
    slide(tmp_path / "slide.svs")
    result = vrdask.resample_zarr(tmp_path / "slide.svs", tmp_path / "slide.zarr", spacing=0.998, mode="lanczos")
    assert result.shape == (150, 200, 3)
    assert result.metadata.dimension_names == ("y", "x", "c")
    again = vrdask.resample_zarr(tmp_path / "slide.zarr", tmp_path / "small.zarr", spacing=1.996, mode="area")
    assert again.shape == (75, 100, 3)
    assert sizes_of(tmp_path / "small.zarr")["x"] == (pytest.approx(1.996), "micrometer")


def test_a_ramp_in_a_file_becomes_the_coordinates_that_its_target_gives(tmp_path):
    ramp = np.broadcast_to(np.arange(64, dtype=np.float32) * 0.5, (48, 64)).copy()
    ome(tmp_path / "ramp.ome.tif", ramp, "YX", X=0.5, Y=0.5)
    result = vrdask.resample_zarr(tmp_path / "ramp.ome.tif", tmp_path / "ramp.zarr", (48, 23), mode="area")
    image = read_multiscale(zarr.open_group(tmp_path / "ramp.zarr").attrs.asdict())
    inner = np.arange(23)[2:-2] * image.scale[1] + image.translation[1]
    linear = vrdask.resample(ramp, (48, 23), "linear")[0, 2:-2]
    assert_allclose(linear, inner, atol=1e-5)
    assert result.shape == (48, 23)


# Pictures


def test_a_thumbnail_is_one_command(tmp_path):
    slide(tmp_path / "slide.svs")
    out = tmp_path / "thumb.png"
    done = run("resample", tmp_path / "slide.svs", out, "--factor", 0.1, "--mode", "lanczos")
    assert done.strip().endswith("30x40x3 uint8")
    decoded = tifffile.imread(tmp_path / "slide.svs", series=0, level=0)
    with Image.open(out) as shown:
        assert shown.mode == "RGB"
        assert_array_equal(np.asarray(shown), vrdask.resample(decoded, (30, 40), "lanczos", axes=(0, 1)))
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


@pytest.mark.parametrize("data", [GREY, GREY.astype("u2") * 257, COLOUR, np.dstack([COLOUR, GREY]), COLOUR[..., :2]])
def test_png_holds_the_result(data, tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, data)
    vrdask.resample_zarr(path, tmp_path / "x.png", (60, 70), mode="bicubic", axes=(0, 1))
    with Image.open(tmp_path / "x.png") as shown:
        assert_array_equal(np.asarray(shown), vrdask.resample(data, (60, 70), "bicubic", axes=(0, 1)))


def test_png_of_channels_first_is_turned(tmp_path):
    ome(tmp_path / "c.ome.tif", CHANNELS[:, 0], "CYX", X=1.0, Y=1.0)
    vrdask.resample_zarr(tmp_path / "c.ome.tif", tmp_path / "c.png", factor=0.5, mode="box")
    with Image.open(tmp_path / "c.png") as shown:
        assert_array_equal(np.asarray(shown).transpose(2, 0, 1), vrdask.resample(CHANNELS[:, 0], (45, 55), "box"))


@pytest.mark.parametrize("name", ["out.tif", "out.ome.tif"])
def test_tiff_holds_the_result_and_its_pixel_size(file, name, tmp_path):
    path, _, axes = file
    vrdask.resample_zarr(path, tmp_path / name, factor=0.5, mode="area")
    expected = vrdask.resample_zarr(path, tmp_path / "out.zarr", factor=0.5, mode="area")
    stored = expected[...].T if axes == "xyz" else expected[...]  # a TIFF's axes end with y, x
    assert_array_equal(tifffile.imread(tmp_path / name), stored)
    known = open_source(path).image
    if known is not None and not np.isnan(known.scale).any() and "micrometer" in str(known.axes):
        assert sizes_of(tmp_path / name)["x"][0] == pytest.approx(2 * sizes_of(path)["x"][0])


def test_pictures_are_refused_where_they_cannot_be(tmp_path):
    np.save(tmp_path / "x.npy", VOLUME)
    np.save(tmp_path / "wide.npy", COLOUR.astype("f4"))
    np.save(tmp_path / "grey.npy", GREY)
    (tmp_path / "kept.png").write_bytes(b"kept")

    def refused(source, target, *options):
        return run("resample", tmp_path / source, tmp_path / target, "--factor", 0.5, *options)

    assert "a PNG must show 2 axes, and up to 4 channels of a third; got 10x13x15" in refused("x.npy", "a.png")
    assert "a PNG must hold uint8, or uint16 without channels; got float32" in refused(
        "wide.npy", "a.png", "--axes", "0"
    )
    assert "target must not exist; got" in refused("grey.npy", "kept.png")
    assert "the folder of a picture must exist" in refused("grey.npy", "nowhere/a.png")
    assert "a picture must fit in memory, 10.00 KiB; got a result that takes" in refused(
        "grey.npy", "a.png", "--memory-limit", "10KiB"
    )
    assert "chunks and shards must be None for a picture" in refused("grey.npy", "a.png", "--chunks", "8")
    assert (tmp_path / "kept.png").read_bytes() == b"kept"
    assert "overwrite must replace a file of the format" in refused("grey.npy", "kept.png", "--overwrite", "--quiet")
    assert (tmp_path / "kept.png").read_bytes() == b"kept"
    for before in (b"", b"\x89PNG\r\n\x1a\nand more"):
        (tmp_path / "kept.png").write_bytes(before)
        assert refused("grey.npy", "kept.png", "--overwrite", "--quiet") == ""
        assert (tmp_path / "kept.png").stat().st_size > 100
    assert not (tmp_path / "a.png").exists()


# What `vrdask info` says


def test_info_says_what_is_there(tmp_path):
    slide(tmp_path / "slide.svs")
    said = run("info", tmp_path / "slide.svs", "--level", 1)
    for line in (
        r"levels          0: 300x400x3, 1: 75x100x3",
        r"level           1",
        r"shape           75x100x3",
        r"axes            y, x, c",
        r"dtype           uint8",
        r"chunks          128x128x3",
        r"compression     jpeg (7)",
        r"pixel size      y 1.996 micrometer, x 1.996 micrometer",
    ):
        assert line in said
    nifti(tmp_path / "a.nii.gz")
    assert "decompresses it once" in run("info", tmp_path / "a.nii.gz")
    assert "z 3 millimeter" in run("info", tmp_path / "a.nii.gz")


# Bad input


@pytest.mark.parametrize("name", [name for name in FILES if ".tif" in name or name.endswith("svs")])
def test_truncated_tiffs_are_refused_before_anything_is_written(name, tmp_path):
    FILES[name][0](tmp_path / name)
    expected = vrdask.resample_zarr(tmp_path / name, tmp_path / "whole.zarr", factor=0.5)
    whole = (tmp_path / name).read_bytes()
    for end in (0, 3, 8, 20, 100, 250, len(whole) // 3, len(whole) // 2, len(whole) - 200):
        (tmp_path / name).write_bytes(whole[:end])
        said = run("resample", tmp_path / name, tmp_path / "out.zarr", "--factor", 0.5, "--overwrite", "--quiet")
        if said:
            assert said.startswith("Error: a TIFF source must "), end
            assert not (tmp_path / "out.zarr").exists()
        else:  # what is missing belongs to another level, or to other pages' directories
            assert end == len(whole) - 200
            assert_array_equal(zarr.open_array(tmp_path / "out.zarr")[...], expected[...])


def test_other_truncated_files_are_refused(tmp_path):
    for name in ("volume.nii", "volume.npy", "volume.nii.gz"):
        FILES[name][0](tmp_path / name)
        whole = (tmp_path / name).read_bytes()
        for end in (0, 5, 200, len(whole) // 2):
            (tmp_path / name).write_bytes(whole[:end])
            said = run("resample", tmp_path / name, tmp_path / "out.zarr", "--factor", 0.5, "--quiet", "--overwrite")
            assert "source must " in said, (name, end)
    with gzip.open(tmp_path / "no.nii.gz", "wb") as file:
        file.write(b"no volume" * 100)
    assert "a NIfTI source must hold a volume" in run("info", tmp_path / "no.nii.gz")


def test_files_without_an_image_are_refused(tmp_path):
    (tmp_path / "text.tif").write_text("no image at all")
    assert "a TIFF source must be whole; got" in run("info", tmp_path / "text.tif")
    (tmp_path / "empty.tif").write_bytes(b"II*\0" + struct.pack("<I", 0))
    assert "a TIFF source must hold an image; got none" in run("info", tmp_path / "empty.tif")
    (tmp_path / "notes.txt").write_text("no image at all")
    assert "source must be Zarr, or a TIFF, NIfTI or .npy file" in run("info", tmp_path / "notes.txt")
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    assert "a .npy source must hold numbers" in run("info", tmp_path / "objects.npy")
    assert "must be a local file" in run("info", "https://example.org/slide.svs")


def test_a_compression_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    path = tmp_path / "x.tif"
    for compression, name in ((32771, "ccirlew (32771)"), (65535, "65535")):
        tifffile.imwrite(path, GREY, compression="zlib", tile=(64, 64))
        with tifffile.TiffFile(path, mode="r+") as file:
            file.pages[0].tags["Compression"].overwrite(compression)
        said = run("info", path)
        assert f"a TIFF source must have a compression that can be decoded; got {name} in" in said
        assert "neither tifffile nor imagecodecs reads it" in said
    tifffile.imwrite(path, COLOUR, compression="jpeg", tile=(64, 64), photometric="rgb")

    class Missing:
        """A tifffile that finds no imagecodecs, and for some compressions looks elsewhere in vain."""

        def __init__(self, error):
            self.error = error

        def __getitem__(self, compression):
            raise self.error

    for error in (
        KeyError("<COMPRESSION.JPEG: 7> requires the 'imagecodecs' package"),
        ModuleNotFoundError("No module named 'compression'"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(tifffile.TIFF, "DECOMPRESSORS", Missing(error))
            patch.setattr("vrdask.sources.tiff.find_spec", lambda name: None)
            said = run("info", path)
        assert "got jpeg (7) in" in said
        assert "pip install 'vrdask[tiff]'" in said


def test_what_does_not_exist_is_refused_and_what_does_is_listed(tmp_path):
    pyramid(tmp_path / "p.tif")
    np.save(tmp_path / "x.npy", VOLUME)
    tifffile.imwrite(tmp_path / "grey.tif", GREY)
    expected = {
        ("p.tif", "--level", 3): "level must be one of 0 (300x400x3), 1 (150x200x3), 2 (75x100x3) of",
        ("p.tif", "--series", 1): "series must be one of 0 (300x400x3) of",
        ("p.tif", "--channel", 3): "channel must be one of 0 to 2; got 3",
        ("grey.tif", "--channel", 0): "channel must be left out for a source without a channel axis; got shape 300x400",
        ("x.npy", "--level", 1): "level and series must be 0 for",
    }
    for (name, *options), text in expected.items():
        assert text in run("info", tmp_path / name, *options)
        assert text in run("resample", tmp_path / name, tmp_path / "out.zarr", "--factor", 0.5, *options)
    with pytest.raises(FileNotFoundError, match="source must exist"):
        open_source(tmp_path / "missing.tif")


def test_spacing_is_refused_where_the_file_has_none(tmp_path):
    pyramid(tmp_path / "p.tif")
    np.save(tmp_path / "x.npy", VOLUME)
    for name in ("p.tif", "x.npy"):
        said = run("resample", tmp_path / name, tmp_path / "out.zarr", "--spacing", 1.5)
        assert "spacing must be known for the source" in said
        assert "give shape or factor" in said


@pytest.mark.parametrize(
    ("name", "module", "extra"), [("tiled.tif", "tifffile", "tiff"), ("volume.nii", "nibabel", "nifti")]
)
def test_a_missing_package_is_named_with_its_extra(name, module, extra, tmp_path, monkeypatch):
    FILES[name][0](tmp_path / name)
    monkeypatch.setitem(sys.modules, module, None)
    said = run("info", tmp_path / name)
    assert f"needs the package {module}: pip install 'vrdask[{extra}]'" in said


def test_a_damaged_tile_ends_the_run_and_says_where(tmp_path):
    pyramid(tmp_path / "p.tif")
    with tifffile.TiffFile(tmp_path / "p.tif") as file:
        offset = file.pages[0].dataoffsets[3]
    with (tmp_path / "p.tif").open("r+b") as file:
        file.seek(offset)
        file.write(bytes(64))
    said = run("resample", tmp_path / "p.tif", tmp_path / "out.zarr", "--factor", 0.5, "--quiet")
    assert "reading the source at [" in said


# Slides and volumes larger than memory may be

LIBRARIES = 150 << 20
"""More than the interpreter and its libraries take."""
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")


def peak_memory(python, source, target, **options) -> int:
    """Resident bytes at most, of a process of its own that resamples on two threads."""
    # not ru_maxrss, which begins with what the process had that started this one
    script = f"""
import vrdask
vrdask.resample_zarr({str(source)!r}, {str(target)!r}, num_threads=2, **{options!r})
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    return int(python(script, PYTHONPATH=str(Path(vrdask.__file__).parents[1]))) * 1024


@pytest.fixture(scope="module")
def large_slide(tmp_path_factory):
    """A pyramid of JPEG tiles, 30,000 x 40,000 in colour (3.4 GiB), written tile by tile."""
    path = tmp_path_factory.mktemp("slide") / "slide.tif"
    y, x = np.mgrid[:512, :512]
    patterns = [
        np.stack([(x * k) % 256, (y + 40 * k) % 256, (x + y) // 4 % 256], 2).astype(np.uint8) for k in range(1, 8)
    ]

    def tiles(rows, columns):
        for number in range(-(-rows // 512) * -(-columns // 512)):
            yield patterns[number * number % 7]

    common = {"dtype": "uint8", "tile": (512, 512), "photometric": "rgb", "compression": "jpeg"}
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        file.write(tiles(30_000, 40_000), shape=(30_000, 40_000, 3), subifds=1, **common)
        file.write(tiles(7_500, 10_000), shape=(7_500, 10_000, 3), subfiletype=1, **common)
    return path


@pytest.mark.slow
@on_linux
def test_a_large_slide_is_resampled_in_bounded_memory(large_slide, tmp_path, python):
    shape, limit = (round(30_000 / 7.3), round(40_000 / 7.3)), 400 << 20
    peak = peak_memory(python, large_slide, tmp_path / "out.zarr", shape=shape, mode="lanczos", memory_limit=limit)
    assert peak < limit + LIBRARIES
    result = zarr.open_array(tmp_path / "out.zarr")
    assert result.shape == (*shape, 3)
    what = vrdask.plan_resample((30_000, 40_000, 3), shape, "lanczos", axes=(0, 1), dtype="uint8").resampling
    from vrdask.compute.resample_box import apply

    source = open_source(large_slide).array
    for writes in (
        ((0, 150), (0, 200), (0, 3)),
        ((1990, 2150), (2700, 2900), (0, 3)),
        ((3990, 4110), (5300, 5479), (0, 3)),
    ):
        reads = what.reads(writes)
        assert_array_equal(result[slices_of(writes)], apply(what, source[slices_of(reads)], reads, writes, 1))


@pytest.mark.slow
def test_a_cut_out_of_a_large_slide_is_pillows(large_slide, tmp_path):
    # a slide's corner as Pillow has it from the same tiles; the right and lower ends of the cut are left out
    vrdask.resample_zarr(large_slide, tmp_path / "out.zarr", (3000, 4000), mode="hamming")
    corner = open_source(large_slide).array[:2000, :2000]
    expected = np.asarray(Image.fromarray(corner).resize((200, 200), Image.Resampling.HAMMING))
    got = zarr.open_array(tmp_path / "out.zarr")[:195, :195]
    assert np.abs(got.astype(int) - expected[:195, :195]).max() <= 1


@pytest.mark.slow
@on_linux
@pytest.mark.parametrize("name", ["volume.npy", "volume.nii"])
def test_a_mapped_volume_takes_no_more_memory_than_its_boxes(name, tmp_path, python):
    path = tmp_path / name
    if name.endswith("npy"):
        data = np.lib.format.open_memmap(path, "w+", "int16", (600, 1000, 1000))
        data[::50] = np.arange(1000)
        del data
    else:
        header = nibabel.Nifti1Header()
        header.set_data_dtype("int16")
        header.set_data_shape((1000, 1000, 600))
        header["vox_offset"], header["magic"] = 352, b"n+1"
        with path.open("wb") as file:
            file.write(header.binaryblock + bytes(4))
            file.truncate(352 + 2 * 600 * 1000 * 1000)
    limit = 200 << 20
    peak = peak_memory(python, path, tmp_path / "out.zarr", factor=0.3, mode="area", memory_limit=limit)
    assert peak < limit + LIBRARIES  # of a volume of 1.1 GiB
