"""Files of every format with what they hold, and the command line that reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from vrdask.cli import main
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
    "volume.nii": (nifti, VOLUME.T, "zyx"),
    "volume.nii.gz": (nifti, VOLUME.T, "zyx"),
    "scaled.nii": (lambda path: nifti(path, 0.25), None, "zyx"),
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
            np.asarray(nibabel.load(path).dataobj).T
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


def sizes_of(path, **which):
    image = open_source(path, **which).image
    found = {axis["name"]: (s, axis.get("unit")) for axis, s in zip(image.axes, image.scale, strict=True)}
    return {name: size for name, size in found.items() if name != "c"}


def channels_first(data, axes: str):
    """Samples as a Zarr target has them: colours that come last in a file come first."""
    return np.moveaxis(data, -1, 0) if axes.endswith("c") else data
