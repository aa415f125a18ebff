"""The public surface: names, signatures, types and what is said when a kernel is missing."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import vrdask
from vrdask.compute import builds

PACKAGE = Path(vrdask.__file__).parent
KERNELS = PACKAGE / "compute" / "_kernels"
REQUIRED = inspect.Parameter.empty
SIGNATURES = {  # positional or keyword; keyword only
    "resample": (
        {"x": REQUIRED, "shape": None, "mode": "linear", "align_corners": False},
        {
            "axes": None, "chunks": None, "dtype": None, "num_threads": None, "factor": None, "spacing": None,
            "exact": False, "region": None,
        },
    ),
    "plan_resample": (
        {"in_shape": REQUIRED, "out_shape": REQUIRED, "mode": "linear", "align_corners": False},
        {"axes": None, "in_chunks": None, "out_chunks": None, "dtype": "float32"},
    ),
    "resample_zarr": (
        {"source": REQUIRED, "target": REQUIRED, "shape": None},
        {
            "factor": None, "spacing": None, "mode": None, "align_corners": False, "axes": None,
            "exact": False, "region": None, "dtype": None, "chunks": None, "shards": None, "compressors": "auto",
            "memory_limit": None, "overwrite": False, "progress": None, "num_threads": None, "pixel_size": None,
            "ome_zarr_version": "0.5", "keep_order": False, "window": None, "labels": False, "with_labels": False,
        },
    ),
    "grid_sample": (
        {
            "input": REQUIRED, "grid": REQUIRED, "mode": "linear", "padding_mode": "zeros", "fill_value": 0,
            "rounding_rule": "bankers",
        },
        {"align_corners": False, "dtype": None, "num_threads": None},
    ),
    "affine_transform": (
        {"x": REQUIRED, "matrix": REQUIRED, "offset": 0.0, "output_shape": None, "mode": "linear"},
        {
            "padding_mode": "constant", "fill_value": 0, "axes": None, "chunks": None, "dtype": None,
            "num_threads": None,
        },
    ),
    "downsample": (
        {"x": REQUIRED, "factors": REQUIRED, "mode": "mean"},
        {"axes": None, "chunks": None, "dtype": None, "num_threads": None, "sparse": False},
    ),
    "open": ({"place": REQUIRED}, {"level": 0, "series": 0, "channel": None, "region": None}),
    "set_num_threads": ({"n": REQUIRED}, {}),
    "get_num_threads": ({}, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_those_promised(name):
    parameters = inspect.signature(getattr(vrdask, name)).parameters.values()
    by_kind = {
        kind: {p.name: p.default for p in parameters if p.kind is kind and p.name != "resume"}
        for kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    }
    assert tuple(by_kind.values()) == SIGNATURES[name]
    assert all(
        list(given) == list(expected) for given, expected in zip(by_kind.values(), SIGNATURES[name], strict=True)
    )
    assert {p.kind for p in parameters} <= set(by_kind)


def test_dir_is_all_and_every_name_exists_and_is_documented():
    assert dir(vrdask) == sorted(vrdask.__all__)
    assert set(SIGNATURES) | {"ResamplePlan", "__version__"} <= set(vrdask.__all__)
    for name in vrdask.__all__:
        assert getattr(vrdask, name) is not None
        if name != "__version__":
            assert inspect.getdoc(getattr(vrdask, name))
    with pytest.raises(AttributeError, match="module 'vrdask' has no attribute 'resize'"):
        vrdask.resize  # noqa: B018


def test_version_is_the_packages():
    assert vrdask.__version__ == version("vrdask")


def test_types_are_declared_for_every_kernel():
    assert (PACKAGE / "py.typed").exists()
    for build in builds.built():
        for kernel in ("contract", "gather", "sample"):
            assert (KERNELS / f"{kernel}_{build}.pyi").exists()
    assert (KERNELS / "cpu_baseline.pyi").exists()


def test_importing_vrdask_imports_nothing_heavy(python):
    heavy = {"numpy", "dask", "zarr", "distributed", "rich", "click"}
    code = f"import sys, vrdask; print(sorted({heavy} & set(sys.modules)))"
    assert python(code) == "[]"


def test_a_missing_kernel_says_how_to_build_it(tmp_path):
    # a copy of the package without its extension modules, as a checkout that was never built
    for path in PACKAGE.rglob("*.py"):
        copy = tmp_path / "vrdask" / path.relative_to(PACKAGE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    code = """
import sys
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in str(finder)]
import numpy, vrdask
assert vrdask.plan_resample((4,), (2,)).bytes_read == 16  # planning needs no kernel
try:
    vrdask.resample(numpy.zeros(4), 2)
except ImportError as error:
    print(*error.__notes__)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "compiled kernel" in done.stdout
    assert "pip install" in done.stdout
    assert "C compiler" in done.stdout
