"""Which room of the house may import from which: every import is read, inside functions and for type checkers, too.

cli
api                     what users call
runs | lazy             source to target | dask arrays: neither knows the other
targets | sources       what can be written | what can be read
planning                which boxes
compute                 one box
storage | transforms | images
boxes dtypes buffers cores text    for everybody
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zarr

import vrdask
from vrdask.sources import open_source

PACKAGE = Path(vrdask.__file__).parent
CHECKOUT = Path(__file__).parents[2]

LEAVES = {"boxes", "dtypes", "buffers", "cores", "text"}
BELOW_RUNS = {"planning", "compute", "storage", "sources", "targets", "images", "transforms"}
MAY = {  # a dotted name stands for that one module
    "images": set(),
    "transforms": set(),
    "storage": set(),
    "compute": {"transforms"},
    "planning": {"transforms", "compute.footprint", "storage.costs"},
    "sources": {"images", "storage"},
    "targets": {"images", "storage"},
    "lazy": {"planning", "compute", "transforms"},
    "runs": BELOW_RUNS,
    "api": {"lazy", "runs"} | BELOW_RUNS,
    "cli": {"api", "runs"} | BELOW_RUNS - {"storage"},
}
"""Rooms, and what each may import besides itself and the leaves."""

NOT_YET: dict[tuple[str, str], str] = {}
"""Imports that are wrong, and what will end them."""

MOST_LINES = 350
TOO_LONG: set[str] = set()
"""Files that are to be cut."""


def modules() -> Iterator[tuple[str, Path]]:
    """Every module but the front (`vrdask/__init__.py`, which hands out names, and `__main__.py`), without `vrdask.`"""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name not in ("", "__main__"):
            yield name, path


def imported(path: Path) -> Iterator[str]:
    """What a file imports of vrdask, as dotted names without `vrdask.`; "" for the front."""
    known = {name for name, _ in modules()}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports must be absolute"
            found = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in found:
            if name.split(".")[0] == "vrdask":
                inner = name.removeprefix("vrdask").removeprefix(".")
                while inner and inner not in known:  # a name within a module
                    inner = inner.rpartition(".")[0]
                yield inner


def room(module: str) -> str:
    return module.split(".")[0]


def is_right(module: str, target: str) -> bool:
    """Whether `module` may import `target`."""
    here, there = room(module), room(target)
    if there == "":  # the front
        return here == "cli"
    if there == here or there in LEAVES:
        return True
    return here in MAY and (there in MAY[here] or target in MAY[here])


def test_imports_go_where_they_may():
    wrong = {}
    for module, path in modules():
        for target in imported(path):
            if not is_right(module, target):
                wrong.setdefault((module, room(target) or "vrdask"), set()).add(target)
    new = {arrow: targets for arrow, targets in wrong.items() if arrow not in NOT_YET}
    assert not new, f"these modules import from rooms that they must not know: {new}"
    right = NOT_YET.keys() - wrong.keys()
    assert not right, f"these arrows are gone, and must go from NOT_YET, too: {right}"


def test_the_rooms_are_those_of_the_table():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders == set(MAY)
    assert {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"} <= LEAVES
    tests = {path.name for path in (CHECKOUT / "tests").iterdir() if path.is_dir() and not path.name.startswith("_")}
    assert tests <= set(MAY) | {"laws", "docs"}


def test_the_map_has_every_room_and_file():
    said = (PACKAGE / "DESIGN.md").read_text().split("## Where things live")[1].split("\n## ")[0]
    for name in MAY:
        first = ast.get_docstring(ast.parse((PACKAGE / name / "__init__.py").read_text())).splitlines()[0]
        line = next((line for line in said.splitlines() if line.startswith(f"{name}/ ")), "")
        assert line.split(maxsplit=1)[1:] == [first], f"{name}/ is not in DESIGN.md as {first!r}"
    by_room = {part.split("/")[0]: part.replace(",", " ").replace("(", " ").replace(")", " ").split()
               for part in said.replace("\n   ", " ").splitlines() if "/ " in part}  # fmt: skip
    for module, path in modules():
        if path.name != "__init__.py" and room(module) in MAY:
            assert path.stem in by_room[room(module)], f"{module} is not in DESIGN.md"


@pytest.mark.parametrize("pure", ["images", "transforms", "planning"])
def test_what_is_pure_needs_no_library_and_no_kernel(python, pure):
    heavy = {"dask", "zarr", "numcodecs", "tifffile", "click", "rich", "fsspec", "nibabel", "PIL", "distributed"}
    names = [f"vrdask.{module}" for module, _ in modules() if room(module) == pure]
    code = f"""
import importlib, sys
for name in {names}:
    importlib.import_module(name)
print(sorted(name for name in sys.modules if name in {heavy} or name.startswith("vrdask.compute._kernels.")))
"""
    assert python(code) == "[]"


HEAVY = ("asyncio", "dask", "fsspec", "numcodecs", "numpy.ma", "zarr")
"""What takes longer to import than a small command takes for all else."""


def imported_by(python, *arguments):
    """Of `HEAVY`, what a command imports."""
    code = f"""
import sys
from vrdask.cli import main
try:
    main({[str(one) for one in arguments]!r})
except SystemExit as done:
    assert not done.code
print(sorted(name for name in {HEAVY} if name in sys.modules))
"""
    return python(code).splitlines()[-1]


@pytest.mark.parametrize("name", ["x.npy", "tiles.tif", "strips.tif", "pages.ome.tif"])
def test_what_a_file_says_of_itself_needs_no_zarr(python, tmp_path, name):
    if name == "x.npy":
        np.save(tmp_path / name, np.zeros((4, 6)))
    else:
        tifffile = pytest.importorskip("tifffile")
        how = {"rowsperstrip": 5} if name == "strips.tif" else {"tile": (16, 16)}
        shape = (3, 20, 40) if name == "pages.ome.tif" else (20, 40, 3)
        tifffile.imwrite(tmp_path / name, np.ones(shape, "u1"), compression="zlib", **how)
    assert imported_by(python, "info", tmp_path / name) == "[]"


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("what", ["array", "image", "level", "group above"])
def test_what_plain_zarr_says_of_itself_needs_no_zarr(python, tmp_path, what, zarr_format):
    place = tmp_path / "a.zarr"
    if what == "array":
        zarr.create_array(place, shape=(8, 8), chunks=(4, 4), dtype="f4", zarr_format=zarr_format)
    else:
        source = zarr.create_array({}, shape=(40, 40), chunks=(16, 16), dtype="u1", dimension_names=["y", "x"])
        version = {2: "0.4", 3: "0.5"}[zarr_format]
        vrdask.write_pyramid(open_source(source, pixel_size="y=2,x=1"), place, ome_zarr_version=version)
    place = place / "0" if what == "level" else place
    if what == "group above":
        said = {"bioformats2raw.layout": 3}
        zarr.create_group(tmp_path, attributes=said if zarr_format == 2 else {"ome": said}, zarr_format=zarr_format)
        place.rename(tmp_path / "0")
        place = tmp_path
    assert imported_by(python, "info", place) == imported_by(python, "info", "--json", place) == "[]"


@pytest.mark.parametrize("target", ["out.png", "out.tif", "out.ome.tif"])
@pytest.mark.parametrize("source", ["tiles.tif", "x.npy"])
def test_a_picture_of_a_file_needs_no_zarr(python, tmp_path, source, target):
    if source == "x.npy":
        np.save(tmp_path / source, np.zeros((40, 60), "u1"))
    tifffile = pytest.importorskip("tifffile")
    if source == "tiles.tif":
        tifffile.imwrite(tmp_path / source, np.ones((40, 60), "u1"), compression="zlib", tile=(16, 16))
    pixels = () if target != "out.ome.tif" else ("--pixel-size", "y=1um,x=1um")
    made = tmp_path / target
    assert imported_by(python, "resample", "--factor", "0.5", *pixels, tmp_path / source, made) == "[]"
    assert made.exists()


def test_no_file_is_too_long():
    found = set()
    for folder in (PACKAGE, CHECKOUT / "kernels", CHECKOUT / "tests"):
        for path in folder.rglob("*"):
            if path.suffix in (".py", ".pyi", ".pyx", ".pxd", ".h") and len(path.read_text().splitlines()) > MOST_LINES:
                found.add(f"{folder.name}/{path.relative_to(folder).as_posix()}")
    if not (CHECKOUT / "kernels").exists():  # the tests alone, against what is installed
        found |= {name for name in TOO_LONG if name.startswith("kernels/")}
    assert found - TOO_LONG == set(), f"no file must pass {MOST_LINES} lines"
    assert TOO_LONG - found == set(), "these are short enough, and must go from TOO_LONG, too"
