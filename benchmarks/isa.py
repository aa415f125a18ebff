"""The instruction set of a run: the kernels' build is chosen once per process, before anything is computed."""

from __future__ import annotations

import os
import sys

ISAS = ("baseline", "avx2", "avx512")


def start_with(isa: str | None) -> None:
    """Start this process again with the kernels of an instruction set, unless it has been; None for the best one."""
    if isa is not None and os.environ.get("VRDASK_ISA") != isa:
        os.environ["VRDASK_ISA"] = isa
        os.execv(sys.executable, sys.orig_argv)
