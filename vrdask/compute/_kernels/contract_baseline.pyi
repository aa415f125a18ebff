from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

BYTE_ROWS: bool
LANES: dict[int, int]

class Contraction:
    scratch_bytes: int
    tiles: int
    def __init__(self, dims: Sequence[Mapping[str, Any]], in_type: int, out_type: int, acc_type: int) -> None: ...
    def __call__(
        self, source: npt.NDArray[Any], target: npt.NDArray[Any], scratch: npt.NDArray[np.uint8], threads: int
    ) -> None: ...
