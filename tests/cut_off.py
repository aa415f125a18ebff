"""A run that is cut off: its source, what it must end with, and what is there of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr

import vrdask

SHAPE, RESULT = (120, 96, 64), (60, 48, 32)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Noise with an empty part, whose chunks are not stored."""
    x = np.random.default_rng(0).integers(1, 60_000, SHAPE).astype("uint16")
    x[:50] = 0
    zarr.create_array(tmp_path / "in.zarr", data=x, chunks=(16, 16, 16))
    return tmp_path / "in.zarr"


def expected(source: Path) -> np.ndarray:
    return vrdask.resample(zarr.open_array(source, mode="r")[:], RESULT, "cubic")


def opens(target: Path) -> bool:
    try:
        zarr.open_array(target, mode="r")
    except FileNotFoundError:
        return False
    return True


def interrupted(source: Path, target: Path, monkeypatch: pytest.MonkeyPatch, after: int = 5, **settings) -> None:
    """A run that fails at its task number `after`."""
    from vrdask.runs import task

    apply, calls = task.compute_box, []

    def failing(*args, **kwargs):
        calls.append(args)
        if len(calls) > after:
            raise RuntimeError("cut off")
        return apply(*args, **kwargs)

    arguments = {"mode": "cubic", "chunks": 8, "memory_limit": "1MB", "num_threads": 1} | settings
    with monkeypatch.context() as patch:
        patch.setattr(task, "compute_box", failing)
        with pytest.raises(RuntimeError, match="cut off"):
            vrdask.resample_zarr(source, target, RESULT, **arguments)
