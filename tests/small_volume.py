"""A small volume, and how it is resampled from store to store."""

from __future__ import annotations

import numpy as np
import pytest

SHAPE, RESULT = (40, 48, 32), (20, 24, 16)
SETTINGS = {"mode": "cubic", "chunks": 8, "memory_limit": "1MB", "num_threads": 2}


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 60_000, SHAPE).astype("uint16")
