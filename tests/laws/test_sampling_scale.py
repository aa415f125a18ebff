"""Samplings of arrays larger than memory: what each task reads, and what a run holds at a time."""

from __future__ import annotations

import sys
from itertools import product
from math import prod

import dask
import numpy as np
import pytest
import zarr
from numpy.testing import assert_array_equal
from scipy import ndimage

import vrdask
from vrdask.boxes import Box, size_of
from vrdask.storage.chunk_array import ChunkIO

SIDE, CHUNK = 2048, 128
TURN = np.deg2rad(10)
ABOUT_Z = np.array([[1, 0, 0], [0, np.cos(TURN), -np.sin(TURN)], [0, np.sin(TURN), np.cos(TURN)]])
ABOUT_Y = np.array([[np.cos(TURN), 0, -np.sin(TURN)], [0, 1, 0], [np.sin(TURN), 0, np.cos(TURN)]])
CENTRE = np.full(3, (SIDE - 1) / 2)

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is read from /proc")


@pytest.fixture(scope="module")
def eight_gigabytes():
    """Zeros, which are not stored, but for a cube of noise about the centre."""
    volume = zarr.create_array({}, shape=(SIDE,) * 3, chunks=(CHUNK,) * 3, dtype="uint8")
    volume[832:1216, 832:1216, 832:1216] = np.random.default_rng(0).integers(0, 255, (384,) * 3, np.uint8)
    return volume


def spanned(matrix, offset, writes: Box) -> tuple[int, ...]:
    """Sizes of the box of samples about the positions of the corners of an output box; zeros where it lies outside."""
    corners = np.array(list(product(*((start, stop - 1) for start, stop in writes)))).T
    at = matrix @ corners + np.asarray(offset)[:, None]
    low, high = np.floor(at.min(axis=1)), np.ceil(at.max(axis=1))
    if (high < 0).any() or (low > SIDE - 1).any():
        return (0, 0, 0)
    return tuple(map(int, high.clip(0, SIDE - 1) - low.clip(0, SIDE - 1) + 1))


def tasks_of(lazy):
    """The (reads, writes) of each chunk's task of an affine map of a Zarr array."""
    graph = dict(lazy.__dask_graph__())
    return [graph[(lazy.name, *index)].args[2:4] for index in np.ndindex(lazy.numblocks)]


@pytest.mark.parametrize("matrix", [ABOUT_Z, ABOUT_Z @ ABOUT_Y], ids=["about z", "oblique"])
def test_no_task_reads_more_than_its_corners_span(eight_gigabytes, matrix):
    offset = CENTRE - matrix @ CENTRE
    lazy = vrdask.affine_transform(eight_gigabytes, matrix, offset, chunks=CHUNK)
    tasks = tasks_of(lazy)
    assert len(tasks) == (SIDE // CHUNK) ** 3
    most = 0.0
    for reads, writes in tasks:
        box = spanned(matrix, offset, writes)
        assert (size_of(reads) > 0) <= (prod(box) > 0)
        if size_of(reads):
            most = max(most, size_of(reads) / prod(box))
    assert 0 < most <= 1.5


@pytest.mark.parametrize(("mode", "order", "beside"), [("nearest", 0, 0), ("linear", 1, 0), ("cubic", 3, 28)])
def test_chunks_of_a_rotated_volume(eight_gigabytes, monkeypatch, mode, order, beside):
    matrix = ABOUT_Z @ ABOUT_Y
    offset = CENTRE - matrix @ CENTRE
    middle, part = slice(960, 1088), slice(864, 1184)  # a corner of eight chunks; what of the volume it may weigh
    by_chunks = vrdask.affine_transform(eight_gigabytes, matrix, offset, mode=mode, chunks=CHUNK)
    at_once = vrdask.affine_transform(eight_gigabytes, matrix, offset, mode=mode, chunks=((960, 128, 960),) * 3)
    taken, read = [], ChunkIO.read
    monkeypatch.setattr(ChunkIO, "read", lambda self, box: (taken.append(box), read(self, box))[1])
    with dask.config.set(scheduler="synchronous"):
        got = by_chunks[middle, middle, middle].compute()
        read_by_chunks = [size_of(box) for box in taken]
        assert_array_equal(got, at_once.blocks[1, 1, 1].compute())
    assert len(read_by_chunks) == 8
    chunk = spanned(matrix, offset, ((1024, 1024 + CHUNK),) * 3)
    assert max(read_by_chunks) <= 1.5 * prod(n + 2 * beside for n in chunk)

    samples = eight_gigabytes[part, part, part].astype("f8")
    expected = ndimage.affine_transform(
        samples, matrix, matrix @ np.full(3, 960) + offset - 864, (128,) * 3, order=order
    )
    wrong = np.abs(got - np.rint(expected.clip(0, 255)))
    assert np.mean(wrong > 0) < 1e-4, "ties, and positions that round elsewhere in a part"


PEAK = """
import os, numpy as np, vrdask

def kilobytes(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))

def check(most, run):
    before = kilobytes("VmRSS")
    result = run()
    print(1024 * (kilobytes("VmHWM") - before), most)
"""


@on_linux
def test_an_affine_map_in_memory_holds_input_and_result_and_little_more(python):
    peak, result = map(int, python(PEAK + """
x = np.random.default_rng(0).random((256,) * 3, np.float32)
matrix, offset = np.linalg.qr(np.eye(3) + 0.1)[0], (3, 2, 1)
vrdask.affine_transform(x[:64, :64, :64], matrix, offset, num_threads=2)
check(x.nbytes, lambda: vrdask.affine_transform(x, matrix, offset, num_threads=2))
""").split())  # fmt: skip
    assert result < peak < result + (4 << 20)


@on_linux
@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_a_run_from_zarr_to_zarr_holds_no_more_than_its_plan_says(python, mode, tmp_path):
    peak, planned = map(int, python(PEAK + """
import zarr
from vrdask.api.affine_zarr import prepare

def job(source, name):
    return prepare(source, os.environ["PLACE"] + name, [[1, 0, 0], [0, 0.98, -0.17], [0, 0.17, 0.98]], (300, 200, 100),
                   (256, 256, 384), os.environ["MODE"], chunks=64, memory_limit="256MiB", num_threads=2)

small = zarr.create_array({}, data=np.ones((40,) * 3, "u1"), chunks=(20,) * 3)
job(small, "first").run()
volume = zarr.create_array({}, shape=(2048,) * 3, chunks=(128,) * 3, dtype="uint8", fill_value=7)
volume[600:728, 600:728, 600:728] = 3
work = job(volume, "second")
check(work.blocks.peak_bytes, work.run)
""", MODE=mode, PLACE=str(tmp_path / "x")).split())  # fmt: skip
    assert peak <= planned <= 256 << 20
