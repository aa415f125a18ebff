from typing import Any

import numpy as np
import numpy.typing as npt

class Gather:
    rows: int
    stride: int
    def __init__(self, rows: npt.NDArray[np.int64], index: npt.NDArray[np.int32], stride: int, size: int) -> None: ...
    def __call__(self, source: npt.NDArray[Any], target: npt.NDArray[Any], num_threads: int) -> None: ...
