from collections.abc import Sequence
from typing import Any

def reduce(
    source: Any,
    target: Any,
    outer: Sequence[tuple[int, int, int]],
    last: tuple[int, int, int],
    tile: int,
    what: int,
    code: int,
    wide: bool,
    sparse: bool,
    flip: int,
    zero: int,
    result_bytes: int,
    scratch: Any,
    rows_bytes: int,
    num_threads: int,
) -> None: ...
