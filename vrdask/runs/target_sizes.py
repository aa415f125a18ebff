"""How large a target is to be, and its chunks: from a shape, a factor or a spacing, exactly; and numbers of bytes from
text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from vrdask.boxes import ceil_div
from vrdask.images.asked import of_axes, per_axis
from vrdask.images.sizes import Sizes, integers, sizes_of
from vrdask.sources import Source
from vrdask.sources.source import axes_of


def target_sizes(
    source: Source,
    shape: Any,
    factor: Any,
    spacing: Any,
    axes: Any,
    align_corners: bool,
    exact: bool = False,
    windows: Mapping[int, tuple[Fraction, Fraction]] | None = None,
) -> Sizes:
    """The axes to resample and their target sizes, from exactly one of shape, factor and spacing. windows : the parts
    of axes that the result is of.
    """
    known = axes_of(source)
    return sizes_of(
        source.array.shape, known, shape, factor, spacing, axes, align_corners, exact, source.image, source.place,
        windows,
    )  # fmt: skip


def chunks_and_shards(
    source: Source, chunks: Any, shards: Any, out_shape: Sequence[int]
) -> tuple[tuple[Any, ...] | None, tuple[Any, ...] | None]:
    """Chunks and shards of every axis; None for what is not asked for.

    One size is for every axis of space; else there is one for each of those, or for every axis, or axes are named. The
    others keep the source's chunks and shards, or have shards of one chunk.
    """
    layout = source.layout
    chunks = _of_all_axes("chunks", chunks, source, layout.chunks)
    if shards is None:
        return chunks, None
    sizes = chunks or layout.chunks
    cut = [max(1, min(c, n)) if isinstance(c, int) else c for c, n in zip(sizes, out_shape, strict=True)]
    if layout.shards is not None and all(isinstance(c, int) for c in cut):
        cut = [c * ceil_div(min(s, n), c) for s, c, n in zip(layout.shards, cut, out_shape, strict=True)]
    return chunks, _of_all_axes("shards", shards, source, cut)


def _of_all_axes(name: str, given: Any, source: Source, others: Sequence[Any]) -> tuple[Any, ...] | None:
    """others : of axes for which nothing is asked for."""
    if given is None:
        return None
    known, values = axes_of(source), per_axis(name, given)
    if isinstance(values, Iterable) and not isinstance(values, str | Mapping):
        values = list(values)
        if len(values) not in (len(known.space), known.ndim):
            raise ValueError(f"{name} must have one size per axis; got {len(values)} for {known.ndim} axes")
    axes, asked = of_axes(name, values, None, known)
    sizes = list(others)
    for axis, size in zip(axes, integers(given, asked), strict=True):
        sizes[axis] = size
    return tuple(sizes)


def parse_bytes(limit: int | str | None, name: str = "memory_limit") -> int | None:
    """A number of bytes from a number or a text such as "2GiB" or "500 MB". name : of the argument."""
    if limit is None:
        return None
    from dask.utils import parse_bytes as parse

    try:
        count = int(parse(limit))
    except (ValueError, TypeError):
        raise ValueError(f"{name} must be a number of bytes such as 2GiB or 500MB; got {limit!r}") from None
    if count < 1:
        raise ValueError(f"{name} must be positive; got {limit!r}")
    return count
