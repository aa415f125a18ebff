"""The streaming floor: the time to read the input once and to write the output once, with plain loops.

No resampling that looks at every sample can be faster. The loops are numpy's (a maximum over bytes, a fill), which run
at the speed of memory and release the GIL, so threads share them as a kernel's would.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from problems import Array, Problem


def streaming(
    p: Problem, x: Array, pool: ThreadPoolExecutor, threads: int, new_pages: bool = False
) -> Callable[[], None]:
    """A call that reads `x` and writes a result of the problem's size.

    new_pages : into memory that is allocated anew, as a function that returns a new array must. Large blocks then come
        as untouched pages, which the system zeroes on first touch: that time is nobody's choice of loop.
    """
    source = x.reshape(-1).view(np.uint8)
    size = int(np.prod(p.result_shape)) * x.itemsize
    kept = np.ones(size, np.uint8)

    def part(read: Array, write: Array) -> None:
        read.max()
        write.fill(1)

    def run() -> None:
        target = np.empty(size, np.uint8) if new_pages else kept
        reads, writes = (
            [whole[a:b] for a, b in pairwise(np.linspace(0, len(whole), threads + 1, dtype=np.int64))]
            for whole in (source, target)
        )
        others = [pool.submit(part, *pair) for pair in zip(reads[1:], writes[1:], strict=True)]
        part(reads[0], writes[0])
        for other in others:
            other.result()

    return run
