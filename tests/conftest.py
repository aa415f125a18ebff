"""Profiles of hypothesis, and the fixtures that more than one file needs.

`HYPOTHESIS_PROFILE` is "default" (a few minutes for the whole suite), "ci" (more, and the same examples every time),
"wide", or "quick" (few: for kernels that a sanitizer slows down). Fixtures that properties use are of session scope:
they hand out functions and hold no state.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from clusters import two_workers
from hypothesis import HealthCheck, settings

import vrdask.compute.contract
import vrdask.compute.gather
import vrdask.compute.prefilter
import vrdask.compute.reduce_box
import vrdask.compute.slabs
import vrdask.compute.threads
import vrdask.compute.tiles
import vrdask.compute.uint8_filter.whole_box
from vrdask.compute import builds

SLOW_IS_FINE = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("default", max_examples=60, deadline=None, suppress_health_check=SLOW_IS_FINE)
settings.register_profile("ci", settings.get_profile("default"), max_examples=150, derandomize=True, print_blob=True)
settings.register_profile("quick", settings.get_profile("default"), max_examples=12, derandomize=True)
settings.register_profile("wide", settings.get_profile("default"), max_examples=3000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_configure(config: pytest.Config) -> None:
    # older versions of dask say so of every synchronous compute in a module that has a client
    config.addinivalue_line("filterwarnings", "ignore:Running on a single-machine scheduler:UserWarning")


@pytest.fixture(scope="session")
def python() -> Callable[..., str]:
    """Run code in a fresh interpreter that can import these helpers; environment as keywords; gives standard output."""

    def run(code: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent), **environment},
            capture_output=True, text=True, timeout=900, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@contextmanager
def _machine(build: str | None = None, *, scratch_bytes: int | None = None, row_elements: int | None = None) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vrdask.compute.threads, "FEW_ELEMENTS", 0)
        patch.setattr(vrdask.compute.threads, "NANOSECONDS_PER_THREAD", 0.01)
        if build is not None:
            patch.setattr(vrdask.compute.contract, "_kernel", builds.load("contract", build))
            patch.setattr(vrdask.compute.gather, "_kernel", builds.load("gather", build))
            patch.setattr(vrdask.compute.uint8_filter.whole_box, "_fixed", builds.load("uint8_filter", build))
            patch.setattr(vrdask.compute.prefilter, "_prefilter", builds.load("prefilter", build))
            patch.setattr(vrdask.compute.reduce_box, "_kernel", builds.load("reduce", build))
        if scratch_bytes is not None:
            patch.setattr(vrdask.compute.tiles, "SCRATCH_BYTES", scratch_bytes)
            patch.setattr(vrdask.compute.prefilter, "PIECE_BYTES", scratch_bytes)
            patch.setattr(vrdask.compute.slabs, "THIN_BYTES", scratch_bytes)
            patch.setattr(vrdask.compute.slabs, "SLAB_BYTES", 8 * scratch_bytes)
        if row_elements is not None:
            patch.setattr(vrdask.compute.tiles, "ROW_ELEMENTS", row_elements)
            patch.setattr(vrdask.compute.reduce_box, "TILE", row_elements)
        pool = builds.load("pool", "baseline")
        borne = pool.bear(1 << 62)
        _forget()
        try:
            yield
        finally:
            _forget()
            pool.bear(borne)


def _forget() -> None:
    vrdask.compute.contract._contraction_of_few.cache_clear()
    vrdask.compute.contract._contraction_of_many.cache_clear()
    vrdask.compute.gather._gathering_of_few.cache_clear()
    vrdask.compute.slabs.slabs.cache_clear()
    vrdask.compute.uint8_filter.whole_box._prepared_of_few.cache_clear()
    vrdask.compute.uint8_filter.whole_box._prepared_of_many.cache_clear()
    vrdask.compute.table_cuts.piece_sizes.cache_clear()
    vrdask.compute.table_cuts.are_small.cache_clear()


@pytest.fixture(scope="session")
def machine() -> Callable[..., AbstractContextManager[None]]:
    """A context with another build of the kernels or other tiles, where threads start however little work there is, and
    however busy the machine is.
    """
    return _machine


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """A dask client of two worker processes; the active one until the tests of a file end."""
    with two_workers() as connected:
        yield connected
