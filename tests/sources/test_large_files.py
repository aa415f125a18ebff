"""Slides and volumes larger than memory may be: resampled in bounded memory."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from numpy.testing import assert_array_equal
from PIL import Image

import vrdask
from vrdask.boxes import slices_of
from vrdask.sources import open_source

tifffile = pytest.importorskip("tifffile")
nibabel = pytest.importorskip("nibabel")
pytest.importorskip("imagecodecs")


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
    peak = peak_memory(
        python, large_slide, tmp_path / "out.zarr", shape=shape, mode="lanczos", memory_limit=limit, keep_order=True
    )
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
    vrdask.resample_zarr(large_slide, tmp_path / "out.zarr", (3000, 4000), mode="hamming", keep_order=True)
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
