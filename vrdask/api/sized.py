"""What a run computes for a result of some sizes, and what that is an image of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy.typing as npt

from vrdask.api.known import steps_of
from vrdask.api.labelled import Grid, grids_of, grids_of_blocks, steps_and_starts
from vrdask.api.labels import Modes, whole_factors
from vrdask.images.asked import for_axes
from vrdask.images.image import Image
from vrdask.images.sizes import Sizes
from vrdask.sources import Source
from vrdask.sources.source import axes_of
from vrdask.transforms.blocks import Blocks, blocks
from vrdask.transforms.resampling import Resampling, resampling


def sized(
    source: Source, sizes: Sizes, mode: Modes, align_corners: bool, dtype: npt.DTypeLike | None, by_majority: bool
) -> tuple[Resampling | Blocks, Image | None, Sequence[Grid]]:
    """The transform of a source to some sizes, the result's image, and where its samples lie among the source's.

    by_majority : whether axes that shrink by whole factors do so by majority, in place of the mode.
    """
    array, image = source.array, source.image
    whole = sizes.starts is None  # not of parts of axes
    if by_majority and whole and (factors := whole_factors(array.shape, sizes.axes, sizes.shape)) is not None:
        by_blocks = blocks(
            array.shape, factors, "majority", axes=sizes.axes, in_dtype=array.dtype, out_dtype=dtype
        )  # fmt: skip
        return by_blocks, image and image.stepped(by_blocks.steps, by_blocks.starts), grids_of_blocks(by_blocks)
    what = resampling(
        array.shape, sizes.shape, for_axes("mode", mode, sizes.axes, axes_of(source)), align_corners,
        axes=sizes.axes, in_dtype=array.dtype, out_dtype=dtype, steps=steps_of(sizes),
    )  # fmt: skip
    grids = grids_of(what.in_shape, what.out_shape, align_corners, what.steps)
    return what, image and image.stepped(*steps_and_starts(grids)), grids
