"""The kernel `reduce`: every instruction set and thread count gives the bits of its twin in numpy."""

from __future__ import annotations

import numpy as np
import pytest

from vrdask.compute import builds, reduce_box
from vrdask.compute.box import compute_box
from vrdask.transforms import reference_blocks
from vrdask.transforms.blocks import MODES, blocks

DTYPES = (
    "bool",
    "uint8",
    "int8",
    "uint16",
    "int16",
    "uint32",
    "int32",
    "uint64",
    "int64",
    "float16",
    "float32",
    "float64",
)
CASES = [
    ((6, 9, 70), (2, 2, 2)),
    ((5, 7, 9), (2, 2, 2)),
    ((3, 5, 41), (1, 2, 2)),
    ((7, 40, 3), (2, 2, 1)),
    ((9, 13, 4), (2, 2, 1)),
    ((6, 8, 30), (3, 2, 1)),
    ((4, 6, 5, 2), (2, 2, 2, 1)),
    ((7, 11), (3, 5)),
    ((40, 40), (40, 7)),
    ((4097,), (2,)),
    ((1,), (1,)),
    ((1, 1, 2), (2, 2, 2)),
    ((2, 70, 2), (1, 64, 1)),
    ((2, 3), (1, 1)),
    *[
        ((*rows, 74, channels), (2, 2, 2, 1))
        for rows in ((1, 2), (2, 2), (1, 1), (3, 4))
        for channels in (1, 2, 3, 4, 5)
    ],
    *[((7, 80, channels), (factor, factor, 1)) for factor in (3, 4, 8) for channels in (1, 3, 4)],
    ((2, 2100), (2, 1050)),
    ((5, 11, 17), (5, 1, 1)),
    ((6, 9, 70), (2, 2, 1)),
    ((4, 3, 1500), (2, 2, 2)),
]


def samples(dtype: str, shape: tuple[int, ...], few: bool, rng: np.random.Generator) -> np.ndarray:
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.startswith("float"):
        special = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0, -1.0], dtype)
        x = rng.choice(special, shape) if few else rng.standard_normal(shape).astype(dtype)
        return np.where(rng.random(shape) < 0.02, special[rng.integers(0, 7, shape)], x).astype(dtype)
    limits = np.iinfo(dtype)
    if few:
        return rng.choice(np.array([limits.min, 0, 1, limits.max], dtype), shape, p=[0.1, 0.6, 0.2, 0.1])
    return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def bits(x: np.ndarray) -> np.ndarray:
    """NaN is one value."""
    return np.where(np.isnan(x), np.nan, x).astype(x.dtype).tobytes() if x.dtype.kind == "f" else x.tobytes()


@pytest.mark.parametrize("isa", builds.supported())
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_build_equals_the_twin(dtype, mode, isa, monkeypatch):
    monkeypatch.setattr(reduce_box, "_kernel", builds.load("reduce", isa))
    rng = np.random.default_rng(0)
    for shape, factors in CASES:
        for few in (False, True):
            x = samples(dtype, shape, few, rng)
            for sparse in (False, True) if mode == "majority" else (False,):
                what = blocks(shape, factors, mode, in_dtype=dtype, sparse=sparse)
                expected = reference_blocks.downsample(what, x)
                found = compute_box(what, x, *what.whole, 1)
                assert found.dtype == expected.dtype
                assert found.shape == what.out_shape
                assert bits(found) == bits(expected), (shape, factors, few, sparse)


@pytest.mark.parametrize("isa", builds.supported())
@pytest.mark.parametrize("factors", [(2, 2, 2), (1, 2, 2), (2, 2, 1), (2, 1, 2)])
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int32", "uint64", "int64", "float32"])
def test_labels_of_any_few_values(dtype, factors, isa, monkeypatch):
    # blocks of one value and of two, ties among them, are found many at a time; those of more one by one
    monkeypatch.setattr(reduce_box, "_kernel", builds.load("reduce", isa))
    rng = np.random.default_rng(4)
    lowest, highest = (0, 1) if dtype in ("bool", "float32") else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    for values in ([0], [0, 1], [1, 0, 0, 0], [lowest, highest], [0, 1, highest], [lowest, 0, 1, highest]):
        cells = rng.choice(np.array(values, dtype), (5, 7, 40))
        x = cells.repeat(2, 0).repeat(3, 1).repeat(5, 2)[1:, 1:, 2:]
        x = np.where(rng.random(x.shape) < 0.05, rng.choice(np.array(values, dtype), x.shape), x)
        for mode, sparse in (("majority", False), ("majority", True), ("median", False)):
            what = blocks(x.shape, factors, mode, in_dtype=dtype, sparse=sparse)
            expected = reference_blocks.downsample(what, x)
            assert bits(compute_box(what, x, *what.whole, 1)) == bits(expected), (values, mode, sparse)


@pytest.mark.parametrize("mode", MODES)
def test_any_memory_layout_and_thread_count(mode):
    rng = np.random.default_rng(1)
    base = rng.integers(0, 4000, (70, 90, 80), np.uint16)
    layouts = [base, np.asfortranarray(base), base[::-1, :, ::2], base.astype(">u2"), base[3:, 5:, 7:]]
    for x in layouts:
        what = blocks(x.shape, (2, 3, 2), mode, in_dtype=x.dtype)
        expected = reference_blocks.downsample(what, np.ascontiguousarray(x))
        for threads in (1, 2, 5):
            np.testing.assert_array_equal(compute_box(what, x, *what.whole, threads), expected)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "uint64", "float32"])
@pytest.mark.parametrize("result", ["uint8", "int32", "float32", "float64"])
@pytest.mark.parametrize("mode", MODES)
def test_other_result_types(mode, dtype, result):
    x = samples(dtype, (5, 7, 9), False, np.random.default_rng(2))
    what = blocks(x.shape, 2, mode, in_dtype=dtype, out_dtype=result)
    assert bits(compute_box(what, x, *what.whole, 1)) == bits(reference_blocks.downsample(what, x))


def test_carried_sums_are_those_of_the_whole():
    rng = np.random.default_rng(3)
    for dtype in ("uint8", "int16", "uint32", "int32"):
        x = samples(dtype, (13, 10, 9), False, rng)
        once = reduce_box.block_sums(x, (4, 4, 4), 1)
        twice = reduce_box.block_sums(reduce_box.block_sums(x, (2, 2, 2), 1), (2, 2, 2), 1)
        np.testing.assert_array_equal(once, twice)
        what = blocks(x.shape, 4, in_dtype=dtype)
        counts = reduce_box.block_counts(x.shape, (4, 4, 4))
        found = reference_blocks.mean_of_integers(once, counts, np.dtype(dtype))
        np.testing.assert_array_equal(found, reference_blocks.downsample(what, x))


def test_sums_of_large_blocks_do_not_overflow():
    x = np.full((1, 70_000), 65535, np.uint16)
    what = blocks(x.shape, (1, 70_000), in_dtype=x.dtype)
    assert compute_box(what, x, *what.whole, 1).item() == 65535
    for value in (2**64 - 1, 2**64 - 2):
        x = np.full((3, 1001), value, np.uint64)
        what = blocks(x.shape, (3, 1001), in_dtype=x.dtype)
        assert compute_box(what, x, *what.whole, 1).item() == value


def test_a_constant_stays_constant():
    for dtype in ("float16", "float32", "int8", "uint64"):
        value = np.finfo(dtype).max if dtype.startswith("f") else np.iinfo(dtype).max
        x = np.full((7, 9, 5), value, dtype)
        for mode in MODES:
            what = blocks(x.shape, 3, mode, in_dtype=dtype)
            assert (compute_box(what, x, *what.whole, 1) == value).all(), (dtype, mode)
