"""Whole blocks of samples, each to one sample: from the samples of a box to the box."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.buffers import Empty
from vrdask.transforms import reference_blocks
from vrdask.transforms.blocks import Blocks

Array = npt.NDArray[Any]


def reduce_box(blocks: Blocks, samples: Array, num_threads: int, empty: Empty = np.empty) -> Array:
    """The blocks of `samples`, which begin with a whole block along each axis."""
    result = empty(
        tuple(-(-n // factor) for n, factor in zip(samples.shape, blocks.factors, strict=True)), blocks.out_dtype
    )
    result[...] = reference_blocks.downsample(blocks, samples)
    return result
