"""A volume of eight gigabytes in one gigabyte of memory."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

SIDE, CHUNK = 1600, 128

RUN = """
import os, vrdask
source, target, mode = (os.environ[name] for name in ("SOURCE", "TARGET", "MODE"))
result = vrdask.resample_zarr(source, target, factor=0.5, mode=mode, num_threads=2)
assert result.shape == (800,) * 3, result.shape
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.fixture(scope="module")
def eight_gigabytes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A compressible volume: every stored chunk is a copy of one."""
    place = tmp_path_factory.mktemp("scale") / "in.zarr"
    array = zarr.create_array(place, shape=(SIDE,) * 3, chunks=(CHUNK,) * 3, dtype="uint16")
    array[:CHUNK, :CHUNK, :CHUNK] = np.add.outer(np.add.outer(np.arange(128), np.arange(128)), np.arange(128) // 8)
    first = place / "c" / "0" / "0" / "0"
    chunks = -(-SIDE // CHUNK)
    for index in np.ndindex(chunks, chunks, chunks):
        copy = place.joinpath("c", *map(str, index))
        if copy != first:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(first, copy)
    return place


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is read from /proc")
@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_peak_memory_stays_below_one_gigabyte(eight_gigabytes, tmp_path, python, mode):
    peak = 1024 * int(python(RUN, SOURCE=str(eight_gigabytes), TARGET=str(tmp_path / "out.zarr"), MODE=mode))
    assert peak < 1_000_000_000
