"""A small source, the runs that write it to a target, and a lock that another run has left there."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import zarr

from vrdask.api.affine_zarr import affine_zarr
from vrdask.api.resample_zarr import resample_zarr
from vrdask.runs import locks

X = np.random.default_rng(0).integers(1, 60_000, (32, 32)).astype("u2")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    zarr.create_array(tmp_path / "in.zarr", data=X, chunks=(8, 8))
    return tmp_path / "in.zarr"


def claim(**changed: object) -> dict[str, object]:
    """What a process that has ended would have claimed on this machine."""
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=subprocess.PIPE, check=True)
    held = {
        "token": "another",
        "host": socket.gethostname(),
        "pid": int(ended.stdout),
        "born": "1",
        "beat": time.time(),
    }
    return held | {"space": locks._space()} | changed


def lay(target: Path, held: dict[str, object]) -> Path:
    lock = target / ".vrdask" / "lock.json"
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps(held))
    return lock


RUNS = {
    "resample": lambda source, target, **how: resample_zarr(source, target, factor=0.5, chunks=4, **how),
    "affine": lambda source, target, **how: affine_zarr(source, target, [2, 2], 0.5, (16, 16), chunks=4, **how),
}
