"""What computing a box takes besides its samples and its result: pure arithmetic, for plans."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from vrdask.boxes import Box, shape_of, size_of
from vrdask.compute import slabs, table_cuts, tiles
from vrdask.compute.stand_ins import in_numbers
from vrdask.compute.uint8_filter import passes
from vrdask.dtypes import is_bfloat16, native
from vrdask.transforms.affine import Affine
from vrdask.transforms.blocks import Blocks
from vrdask.transforms.resampling import Resampling
from vrdask.transforms.transform import Transform

KERNEL_BYTES = tiles.WIDE * tiles.SCRATCH_BYTES
"""Of a kernel's scratch at most, for the tiles of a large box."""
REDUCE_BYTES = 1 << 18
"""Of results that are worked on at a time, and little else."""
SUMS = 6
"""Arrays of 64 bits that dividing exact sums in numpy takes, at most."""
KERNEL_AXES = 3
"""That a kernel samples along; numpy takes more."""
NUMPY_BYTES = 32 << 20
"""Of the arrays that numpy makes for some values at a time."""


def between_bytes(transform: Transform, reads: Box, writes: Box) -> int:
    """Bound on the arrays between an input box and an output box: B-spline coefficients, copies to be converted, or
    uint8 between the passes of a filter.
    """
    if 0 in (size_of(reads), size_of(writes)):
        return 0
    copied = _copied_bytes(transform, reads, writes)
    if isinstance(transform, Affine):
        of_numbers = transform.sampling.in_numbers
        one = replace(transform, sampling=of_numbers[0]) if of_numbers else transform
        return copied + _between_bytes_of_affine(one, reads)
    if isinstance(transform, Blocks):
        return reduce_bytes(transform, reads, writes)
    assert isinstance(transform, Resampling)
    if (numbers := in_numbers(transform)) is not None:
        parts = ((0, 2),) * (len(numbers.in_shape) - len(transform.in_shape))
        return copied + between_bytes(numbers, (*reads, *parts), (*writes, *parts))
    if transform.fixed_point:
        return passes.peak_between_bytes(transform, reads, writes)
    if transform.copies:
        converts = transform.stages and native(transform.in_dtype) != native(transform.out_dtype)
        return size_of(writes) * transform.in_dtype.itemsize if converts else 0
    return slabs.between_bytes(transform, writes) if len(transform.stages) > 1 else 0


def table_bytes(transform: Transform, writes: Box) -> int:
    """Bound on the tables of an output box; 0 where those of the whole array are small, and are kept."""
    if not isinstance(transform, Resampling):
        return 0
    if (numbers := in_numbers(transform)) is not None:
        return table_bytes(numbers, (*writes, *((0, 2),) * (len(numbers.in_shape) - len(transform.in_shape))))
    return table_cuts.tables_bytes(transform, shape_of(writes))


def kept_bytes(transform: Transform) -> int:
    """Bound on the tables that a process keeps for its next boxes."""
    return table_cuts.kept_bytes(transform) if isinstance(transform, Resampling) else 0


def goes_by_chunk(transform: Transform, stored: tuple[int, ...] | None) -> bool:
    """Whether what a box reads may come in stored chunks of these sizes, and is better off so."""
    return isinstance(transform, Resampling) and passes.goes_by_chunk(transform, stored)


def by_chunk_bytes(transform: Transform, reads: Box, writes: Box, stored: tuple[int, ...]) -> int:
    """Bound on what is kept of the pieces of a box, where it takes them."""
    assert isinstance(transform, Resampling)
    return passes.by_chunk_bytes(transform, reads, writes, stored)


def _copied_bytes(transform: Transform, reads: Box, writes: Box) -> int:
    """Of the numbers that stand in for samples, as far as they are copies: of bfloat16, and values of complex parts."""
    sampled = transform.sampling.in_numbers if isinstance(transform, Affine) else ()
    values = sum(one.out_dtype.itemsize for one in sampled) * size_of(writes)
    if isinstance(transform, Resampling) and in_numbers(transform) is not None and is_bfloat16(transform.out_dtype):
        values = 4 * size_of(writes)
    return values + (4 * size_of(reads) if is_bfloat16(transform.in_dtype) else 0)


def reduce_bytes(blocks: Blocks, reads: Box, writes: Box) -> int:
    """Of blocks: their samples side by side, one block's per thread, and results to be converted; exact sums, where the
    mean is of another type."""
    block = prod(map(min, shape_of(reads), blocks.factors))
    between = block * (8 + blocks.in_dtype.itemsize) + REDUCE_BYTES
    if blocks.in_dtype == blocks.out_dtype:
        return between
    if blocks.mode != "mean":
        return between + size_of(writes) * blocks.in_dtype.itemsize
    if blocks.in_dtype.kind == "f":
        return between + 8 * size_of(reads) + 8 * size_of(writes)
    wide = blocks.in_dtype.itemsize == 8
    return between + (8 * size_of(reads) if wide else 0) + SUMS * 8 * size_of(writes) * (4 if wide else 1)


def _between_bytes_of_affine(affine: Affine, reads: Box) -> int:
    copies = affine.sampling.mode == "nearest" and native(affine.in_dtype) != native(affine.out_dtype)
    taken = size_of(reads) * affine.out_dtype.itemsize if copies else 0
    sizes = shape_of(reads)
    whole = [axis for axis in affine.axes if sizes[axis] == affine.in_shape[axis]]
    if affine.sampling.wraps and affine.sampling.mode != "nearest" and whole:  # goes on beyond its ends in a copy
        more = affine.sampling.taps + 2 * (0 if affine.prefilter is None else affine.prefilter.radius)
        sizes = tuple(size + more if axis in whole else size for axis, size in enumerate(sizes))
        taken += prod(sizes) * affine.in_dtype.itemsize
    if affine.prefilter is not None:
        middle = tuple([((n - size) // 2, (n + size) // 2) for n, size in zip(affine.in_shape, sizes, strict=True)])
        taken += prod(sizes) * affine.sampling.acc_dtype.itemsize + slabs.between_bytes(affine.prefilter, middle)
    return taken + (NUMPY_BYTES if len(affine.axes) > KERNEL_AXES else 0)
