"""The most memory that a process has had, asked from within."""

from __future__ import annotations

import sys
from pathlib import Path


def peak_bytes() -> int:
    """Resident, of this process since it began to run its program.

    getrusage's begins, on Linux, with what the process had that started this one.
    """
    if sys.platform.startswith("linux"):
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
