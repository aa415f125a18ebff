"""Build the kernels: each source once per instruction set, as `vrdask.compute._kernels.<kernel>_<isa>`, and
`vrdask.compute.builds` picks at import.

Portable flags only. Contraction of a*b + c to FMA is off, so every build computes the same bits.

What Cython generates for every module alike, its memoryviews, is compiled once, as `vrdask.compute._kernels.shared`: in
each module it would take half of the time of the build.
"""

import os
import platform
import subprocess
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

PACKAGE = "vrdask.compute._kernels"
SHARED = f"{PACKAGE}.shared"
KERNELS = ("reduce", "sample", "contract", "uint8_filter", "prefilter", "gather")
"""Those that take longest first: all cores are busy to the end."""
PLAIN = ("cpu", "pool")
"""For the baseline alone."""
HEADERS = sorted(str(path) for pattern in ("*.h", "*.pxd") for path in Path("kernels").rglob(pattern))
MSVC = sys.platform == "win32"
X86_64 = platform.machine().lower() in ("x86_64", "amd64")

AVX2 = ["-mavx2", "-mfma", "-mf16c", "-mbmi", "-mbmi2"]
AVX512 = [*AVX2, "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512"]
ISA_FLAGS: dict[str, list[str]] = {"baseline": []}
if X86_64 and MSVC:
    ISA_FLAGS |= {"avx2": ["/arch:AVX2"], "avx512": ["/arch:AVX512"]}
elif X86_64:
    ISA_FLAGS |= {"avx2": AVX2, "avx512": AVX512}

GIVEN = " " + os.environ.get("CFLAGS", "")
OPTIMIZED = [*([] if " -O" in GIVEN else ["-O3"]), *([] if " -g" in GIVEN else ["-g0"])]
"""These come after CFLAGS, whose level of optimization counts where it has one. What debuggers want is left out unless
it says -g: Python's own flags may ask for it, a quarter of the time and nine tenths of the bytes.
"""
COMMON = (
    ["/O2", "/fp:precise", "/std:c11"]
    if MSVC
    else [
        *OPTIMIZED, "-std=c11", "-ffp-contract=off", "-fno-math-errno", "-Wno-unused-function",
        "-Wno-maybe-uninitialized",
    ]
)  # fmt: skip

DIRECTIVES = {
    "language_level": 3, "boundscheck": False, "wraparound": False, "cdivision": True,
    "freethreading_compatible": True,
}  # fmt: skip
"""Modules keep no state that a call changes: what a prepared call needs is its object's, fixed when it is made, and
scratch is its caller's; the pool of threads has a lock of its own. So Python may run them without its lock.
"""

Flags = tuple[list[str], list[str]]
"""To compile with, to link with."""


def compiles(compiler: list[str], flags: Flags) -> bool:
    """Whether a program that uses OpenMP compiles and links with these flags."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "probe.c"
        source.write_text("#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n")
        command = [*compiler, *flags[0], str(source), *flags[1], "-o", str(Path(folder) / "probe")]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def openmp_flags(compiler: list[str]) -> Flags | None:
    """How this compiler takes OpenMP; None where it does not, or is asked not to by ``VRDASK_OPENMP=0``.

    Apple's clang has the pragmas and no library: libomp is looked for in ``VRDASK_LIBOMP``, and where Homebrew,
    MacPorts and conda put it.
    """
    if os.environ.get("VRDASK_OPENMP") == "0":
        return None
    if MSVC:
        return ["/openmp"], []
    ways: list[Flags] = [(["-fopenmp"], ["-fopenmp"])]
    if sys.platform == "darwin":
        places = [os.environ.get(name) for name in ("VRDASK_LIBOMP", "CONDA_PREFIX")]
        places += ["/opt/homebrew/opt/libomp", "/usr/local/opt/libomp", "/opt/local"]
        ways += [
            (["-Xpreprocessor", "-fopenmp", f"-I{place}/include"], [f"-L{place}/lib", "-lomp"])
            for place in places
            if place
        ]
    return next((flags for flags in ways if compiles(compiler, flags)), None)


class BuildKernels(build_ext):
    """cythonize each extension into its own folder: one source gives several modules, whose C files differ in name."""

    def build_extensions(self) -> None:
        self.begun, self.number = time.monotonic(), count(1)
        flags = openmp_flags(getattr(self.compiler, "compiler", ["cc"])[:1])
        if flags is None:
            print("vrdask: building without OpenMP, whose runtime says how many threads to use", file=sys.stderr)
        for extension in self.extensions:
            if extension.name.endswith(".pool_baseline") and not MSVC:
                extension.extra_compile_args.append("-pthread")
                extension.extra_link_args.append("-pthread")
            if flags is not None and extension.name.endswith(".cpu_baseline"):
                extension.extra_compile_args += flags[0]
                extension.extra_link_args += flags[1]
                extension.define_macros.append(("VRDASK_OPENMP", "1"))
            extension.sources = self.cythonized(extension)
        self.parallel = self.parallel or os.cpu_count()
        self.say(f"{len(self.extensions)} kernels to compile, {self.parallel} at a time")
        super().build_extensions()

    def build_extension(self, extension: Extension) -> None:
        begun = time.monotonic()
        super().build_extension(extension)
        name = extension.name.removeprefix(f"{PACKAGE}.")
        self.say(f"{next(self.number)} of {len(self.extensions)}: {name} in {time.monotonic() - begun:.1f} s")

    def say(self, what: str) -> None:
        """Unless -q asks for quiet."""
        if self.distribution.verbose:
            print(f"vrdask: {time.monotonic() - self.begun:3.0f} s: {what}", file=sys.stderr, flush=True)

    def cythonized(self, extension: Extension) -> list[str]:
        from Cython.Build import cythonize

        return cythonize(
            [Extension(extension.name, extension.sources)],
            include_path=["kernels/common"],
            build_dir=str(Path(self.build_temp) / extension.name),
            compiler_directives=DIRECTIVES,
            shared_utility_qualified_name=SHARED,
            force=True,
            quiet=True,
        )[0].sources


def extension(name: str, source: str | None, flags: list[str]) -> Extension:
    """source : None where Cython has it."""
    return Extension(
        name,
        [source] if source else [],
        include_dirs=["kernels"],
        depends=HEADERS,
        extra_compile_args=[*COMMON, *flags],
        extra_link_args=[],
        define_macros=[("NDEBUG", "1")],
    )


setup(
    ext_modules=[
        *(
            extension(f"{PACKAGE}.{kernel}_{isa}", f"kernels/{kernel}/{kernel}.pyx", flags)
            for kernel in KERNELS
            for isa, flags in reversed(ISA_FLAGS.items())
        ),
        *(extension(f"{PACKAGE}.{kernel}_baseline", f"kernels/{kernel}/{kernel}.pyx", []) for kernel in PLAIN),
        extension(SHARED, None, []),
    ],
    cmdclass={"build_ext": BuildKernels},
)
