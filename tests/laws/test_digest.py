"""Equal bits on every processor: the tables' numbers, too, not the kernels' sums alone.

The digest is that of many fixed problems (see `strategies`). It may change where the meaning of a mode does, with a
line in the changelog. The new one is then what this prints:

    PYTHONPATH=tests python -c "import strategies as s; print(s.digest_of_fixed_problems())"

Whole blocks have a digest of their own:

    PYTHONPATH=tests python -c "import block_problems as b; print(b.digest_of_blocks())"
"""

from __future__ import annotations

import platform
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from block_problems import FIXED_BLOCKS, digest_of_blocks
from strategies import FIXED_PROBLEMS, digest_of_fixed_problems

from vrdask.compute import builds
from vrdask.transforms import elementary

PINNED = "a5cfa047936a69532edb0d496cb952282033f3b81d8556539879db92078f21b9"
PINNED_BLOCKS = "0df7fe3529094c86c250210bfa6484c595434edc070cf639b70f9f41dca4ae26"
LEAST = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-FMA,-AVX2,-AVX2_Usable,-FMA_Usable", "NPY_DISABLE_CPU_FEATURES": ""}
"""What makes numpy and the C library choose as they would on an old processor."""
DIGEST = """
import strategies, block_problems
print(strategies.digest_of_fixed_problems(), block_problems.digest_of_blocks())
"""


def dispatched() -> list[str]:
    """Instruction sets that numpy chooses among at run time, by its own names."""
    try:
        from numpy._core import _multiarray_umath
    except ImportError:  # before numpy 2
        from numpy.core import _multiarray_umath

    return [name for name in _multiarray_umath.__cpu_dispatch__ if _multiarray_umath.__cpu_features__.get(name)]


def test_the_bits_are_those_of_every_other_machine():
    assert digest_of_fixed_problems() == PINNED
    assert digest_of_blocks() == PINNED_BLOCKS


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="glibc's tunables are Linux's")
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="other processors have fewer choices")
def test_no_choice_of_numpy_or_the_c_library_changes_a_bit(python):
    found = python(DIGEST, VRDASK_ISA="baseline", **{**LEAST, "NPY_DISABLE_CPU_FEATURES": " ".join(dispatched())})
    assert found.split() == [PINNED, PINNED_BLOCKS]


@pytest.mark.parametrize("build", builds.supported())
def test_no_build_of_the_kernels_changes_a_bit(python, build):
    assert min(len(FIXED_PROBLEMS), len(FIXED_BLOCKS)) > 300
    assert python(DIGEST, VRDASK_ISA=build, OMP_NUM_THREADS="1").split() == [PINNED, PINNED_BLOCKS]


def test_sine_and_cosine_are_rounded_correctly():
    # what the C library has differs in the last place here and there
    rng = np.random.default_rng(0)
    angles = np.concatenate([rng.uniform(-30, 30, 2000), np.pi * np.arange(-18, 19) / 6, rng.uniform(-1e-9, 1e-9, 20)])
    np.testing.assert_array_equal(elementary.sine(angles), [series(x, 1) for x in angles.tolist()])
    np.testing.assert_array_equal(elementary.cosine(angles), [series(x, 0) for x in angles.tolist()])


def series(x: float, first: int) -> float:
    """The sine (first 1) or cosine (first 0) of a float64 below 30, from its Taylor series in integers of 2**-400."""
    unit = 400
    angle = int(Fraction(x) * 2**unit)
    square = angle * angle >> unit
    term = angle if first else 2**unit
    total, k = 0, first
    while term not in (0, -1):  # to which shifts round
        total += term
        term = -(term * square >> unit) // ((k + 1) * (k + 2))
        k += 2
    return float(Fraction(total, 2**unit))


def test_angles_beyond_the_reduction_are_refused():
    with pytest.raises(ValueError, match="angles must be below"):
        elementary.sine([1e9])
