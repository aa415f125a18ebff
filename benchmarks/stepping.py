"""Instructions that this process executes in some of its modules, by single steps (x86-64, Linux, a C compiler).

Any instruction set that the processor has is counted so, those that valgrind does not know, too: the processor's trap
flag raises a signal after every instruction, whose handler looks at where it was. That takes a microsecond or two per
instruction of whatever runs. What the modules call (libc, OpenMP) is not counted.
"""

from __future__ import annotations

import ctypes
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCE = r"""
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <ucontext.h>
#define MOST 64
static uintptr_t starts[MOST], stops[MOST];
static int places;
static volatile int64_t counted;
static volatile int on;

static void step(int number, siginfo_t *info, void *context) {
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    uintptr_t at = (uintptr_t)registers[REG_RIP];
    for (int k = 0; k < places; k++)
        if (at >= starts[k] && at < stops[k]) { counted++; break; }
    if (on) registers[REG_EFL] |= 0x100;
    else registers[REG_EFL] &= ~0x100LL;
}

int place(uintptr_t start, uintptr_t stop) {
    if (places == MOST) return -1;
    starts[places] = start, stops[places] = stop;
    return places++;
}

int begin(void) {
    struct sigaction how = {0};
    how.sa_sigaction = step;
    how.sa_flags = SA_SIGINFO;
    if (sigaction(SIGTRAP, &how, 0)) return -1;
    counted = 0, on = 1;
    return raise(SIGTRAP);
}

int64_t end(void) { on = 0; return counted; }
"""


class Steps:
    """Counts in modules whose files' names have a regular expression; they must have been loaded."""

    def __init__(self, modules: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            source, library = Path(folder, "steps.c"), Path(folder, "steps.so")
            source.write_text(SOURCE)
            subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source], check=True)
            self._steps = ctypes.CDLL(str(library))
        self._steps.end.restype = ctypes.c_int64
        self._steps.place.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
        found = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
        places = [one[0].split("-") for one in found if len(one) > 5 and "x" in one[1] and re.search(modules, one[5])]
        for start, stop in places:
            if self._steps.place(int(start, 16), int(stop, 16)) < 0:
                raise ValueError(f"modules must be few; got {len(places)} that match {modules!r}")

    @contextmanager
    def counted(self) -> Iterator[list[int]]:
        """A list that gets the number of instructions within."""
        found: list[int] = []
        if self._steps.begin():
            raise OSError("instructions must be traced; got an error from sigaction or raise")
        try:
            yield found
        finally:
            found.append(self._steps.end())
