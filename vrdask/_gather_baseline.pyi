import numpy as np
import numpy.typing as npt

def gather(
    src: int,
    dst: int,
    rows: npt.NDArray[np.int64],
    index: npt.NDArray[np.int32],
    stride: int,
    item_size: int,
    num_threads: int,
) -> None: ...
