from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

LANES: int
WINDOWS: int
BATCH: int
LOW: int

class Filter:
    tiles: int
    scratch_bytes: int
    def __init__(
        self,
        row: Mapping[str, Any] | None,
        column: Mapping[str, Any] | None,
        rows: int,
        units: int,
        band: int,
        strip: int,
        slots: int,
        pitch: int,
    ) -> None: ...
    def __call__(
        self,
        source: npt.NDArray[Any],
        target: npt.NDArray[Any],
        slices: npt.NDArray[np.int64],
        src_stride: int,
        dst_stride: int,
        src_bytes: int,
        scratch: npt.NDArray[np.uint8],
    ) -> None: ...

class PieceFilter:
    scratch_bytes: int
    def __init__(self, row: Mapping[str, Any] | None, src_bytes: int, kept: int, keep: int) -> None: ...
    def __call__(
        self,
        source: npt.NDArray[Any],
        target: npt.NDArray[Any],
        slices: npt.NDArray[np.int64],
        rows: int,
        src_stride: int,
        dst_stride: int,
        ends: npt.NDArray[np.uint8],
        scratch: npt.NDArray[np.uint8],
    ) -> None: ...
