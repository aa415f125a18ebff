"""A plain array in a folder, what a folder holds, and the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

from vrdask.cli import main

X = np.arange(16 * 16, dtype="u2").reshape(16, 16)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    zarr.create_array(tmp_path / "in put.zarr", data=X, chunks=(8, 8))
    return tmp_path / "in put.zarr"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    return result.exit_code, result.output
