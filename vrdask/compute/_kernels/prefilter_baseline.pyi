from typing import Any

import numpy as np
import numpy.typing as npt

SPARE: int

def prefilter(
    source: npt.NDArray[Any],
    target: npt.NDArray[Any],
    in_type: int,
    acc_type: int,
    weights: npt.NDArray[np.uint8],
    index: npt.NDArray[np.int64],
    plain: tuple[int, int],
    steps: tuple[int, int],
    starts: npt.NDArray[np.int64],
    run: int,
    width: int,
    pitch: int,
    length: int,
    scratch: npt.NDArray[np.uint8],
) -> None: ...
