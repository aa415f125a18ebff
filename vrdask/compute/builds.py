"""Which build of the kernels runs: the widest instruction set that the processor has, chosen once, at import.

Every build gives the same bits (no FMA contraction, one order of operations), so the choice is about speed alone and
workers with different processors agree. ``VRDASK_ISA=baseline`` (or ``avx2``, ``avx512``) in the environment forces
a build.
"""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

LEVELS = ("baseline", "avx2", "avx512")


def built() -> tuple[str, ...]:
    """Instruction sets that this installation holds kernels for, narrowest first."""
    return tuple(isa for isa in LEVELS if find_spec(f"vrdask.compute._kernels.contract_{isa}") is not None)


def supported() -> tuple[str, ...]:
    """Instruction sets that this processor runs, of those that were built, narrowest first."""
    return built()[: 1 + load("cpu", "baseline").level()]


def load(kernel: str, isa: str) -> ModuleType:
    """Import one kernel module; a missing one says how to build it."""
    try:
        return import_module(f"vrdask.compute._kernels.{kernel}_{isa}")
    except ImportError as error:
        error.add_note(
            f"vrdask's compiled kernel {kernel!r} ({isa}) is missing: build it with 'pip install .' "
            "(or 'pip install -e .') in a checkout of the project; a C compiler is needed"
        )
        raise


def choose() -> str:
    """The instruction set to use: ``VRDASK_ISA`` where it is set, else the widest supported."""
    asked = os.environ.get("VRDASK_ISA", "")
    usable = supported()
    if not asked:
        return usable[-1]
    if asked not in usable:
        raise ValueError(f"VRDASK_ISA must be one of {', '.join(usable)} on this processor; got {asked!r}")
    return asked
