"""One box of any transform, from samples to samples: the one door to the kernels for runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box
from vrdask.buffers import Empty
from vrdask.compute.reduce_box import reduce_box
from vrdask.compute.resample_box import apply
from vrdask.transforms.affine import Affine
from vrdask.transforms.blocks import Blocks
from vrdask.transforms.resampling import Resampling
from vrdask.transforms.transform import Transform

Array = npt.NDArray[Any]


def compute_box(
    transform: Transform, samples: Array, reads: Box, writes: Box, num_threads: int, empty: Empty = np.empty
) -> Array:
    """The output box `writes`.

    samples : of the box `reads`, which is ``transform.reads(writes)``. empty : makes the result's array.
    """
    if isinstance(transform, Affine):
        from vrdask.compute.sample_box import sample_affine

        return sample_affine(transform, samples, reads, writes, num_threads, empty)
    if isinstance(transform, Blocks):
        return reduce_box(transform, samples, num_threads, empty)
    assert isinstance(transform, Resampling)
    return apply(transform, samples, reads, writes, num_threads, empty)
