from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

class Sampler:
    rows: int
    def __init__(
        self,
        axes: Sequence[dict[str, Any] | None],
        *,
        taps: int,
        rule: str,
        rounding: int = 0,
        two_d: bool = False,
        mirror: bool = False,
        fill_taps: bool = False,
        fill: float = 0.0,
        fill_item: bytes = b"",
        in_type: int = -1,
        acc_type: int = -1,
        out_type: int = -1,
        item_size: int = 0,
        grid: int = 0,
        grid_is_double: bool = False,
        rank: int = 3,
        points: int,
        width: int,
        inner: int,
        first: Sequence[int] = (0, 0, 0),
        dst: Sequence[int],
        src_channel: npt.NDArray[np.int64],
        dst_channel: npt.NDArray[np.int64],
    ) -> None: ...
    def run(self, src: int, dst: int, tile: Sequence[int], num_threads: int) -> None: ...
    def extent(self) -> tuple[tuple[int, int], ...]: ...
