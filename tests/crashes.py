"""Kill a run at every change that it makes to the file system, and go on from there: a process of its own, that has no
threads when it forks. `python crashes.py SCENARIO FOLDER` prints how many changes a run makes, or fails.

Of the hundreds of changes that a pyramid makes every third is one to be killed at; VRDASK_KILLS=all takes all.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import dask  # noqa: F401 (what a run imports late is imported once, here)
import numpy as np
import tifffile
import zarr

import vrdask
import vrdask.sources.nifti
import vrdask.sources.npy
import vrdask.sources.tiff
from vrdask.api.affine_zarr import affine_zarr
from vrdask.api.downsample_zarr import downsample_zarr
from vrdask.api.resample_zarr import resample_zarr
from vrdask.api.write_pyramid import write_pyramid
from vrdask.planning import pyramid_plan
from vrdask.runs import record
from vrdask.transforms import reference_blocks
from vrdask.transforms.blocks import blocks

sys.dont_write_bytecode = True

CHANGES = frozenset({"os.mkdir", "os.rename", "os.link", "os.symlink", "os.remove", "os.rmdir", "os.truncate"})
REFUSED = 3
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
X = np.random.default_rng(0).integers(1, 60_000, (24, 16)).astype("u2")
X[:8] = 0  # a part whose chunks are not stored
OLD = np.full((20, 20), 7, "u2")


def resampled(**how: Any) -> Callable[..., Any]:
    return lambda source, target, **more: resample_zarr(
        source, target, factor=0.5, num_threads=1, memory_limit="20kB", **how, **more
    )


def mapped(source: Path, target: Path, **more: Any) -> Any:
    return affine_zarr(source, target, [-1, 1], (23, 0), mode="nearest", chunks=8, num_threads=1, **more)


def halved(source: Path, target: Path, **more: Any) -> Any:
    how: dict[str, Any] = {"chunks": 2, "shards": (4, 8), "num_threads": 1, "memory_limit": "300kB"}
    return downsample_zarr(source, target, 2, "majority", **how, **more)


def levels(**how: Any) -> Callable[..., Any]:
    return lambda source, target, **more: write_pyramid(
        source, target, num_threads=1, factors=[{"y": 2, "x": 1}, 2, {"y": 3, "x": 2}], **how, **more
    )


def means(x: np.ndarray) -> np.ndarray:
    """All levels of `levels`, by one reduction each of the full one, end to end."""
    products = [(1, 1), (2, 1), (4, 2), (12, 4)]
    return np.concatenate(
        [reference_blocks.downsample(blocks(x.shape, f, "mean", in_dtype=x.dtype), x).ravel() for f in products]
    )


SCENARIOS: dict[str, tuple[Callable[..., Any], np.ndarray]] = {
    "plain": (resampled(chunks=4), vrdask.resample(X, (12, 8))),
    "sharded": (resampled(chunks=2, shards=(4, 8)), vrdask.resample(X, (12, 8))),
    "overwrite": (resampled(chunks=8), vrdask.resample(X, (12, 8))),
    "affine": (mapped, X[::-1]),
    "blocks": (halved, vrdask.downsample(X, 2, "majority")),
    "two": (resampled(chunks=8), vrdask.resample(X, (12, 8))),
    "damage": (resampled(chunks=4), vrdask.resample(X, (12, 8))),
    "pyramid": (levels(chunks=4), means(X)),
    "pyramid in shards": (levels(chunks=2, shards=(4, 8)), means(X)),
    "pyramid in Zarr 2": (levels(chunks=8, ome_zarr_version="0.4"), means(X)),
    "pyramid in TIFF": (levels(chunks=16), means(X)),
}


def forked(work: Callable[[], None]) -> int:
    """The process that does some work."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        work()
        status = 0
    except FileExistsError as error:
        status = REFUSED
        print(error, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def kill_at(number: int) -> None:
    """Kill this process when it is about to make its change of that number."""
    left = number

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event in CHANGES or (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES
            and not str(arguments[0]).startswith(("/dev", "/proc"))
        ):  # fmt: skip
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def published(target: Path) -> np.ndarray | None:
    """The array at a place; of an image its levels, end to end."""
    if target.suffix == ".tif":
        if not target.exists():
            return None
        with tifffile.TiffFile(target) as file:
            (series,) = file.series
            return np.concatenate([level.asarray().ravel() for level in series.levels])
    try:
        node = zarr.open(target, mode="r")
    except FileNotFoundError:
        return None
    if isinstance(node, zarr.Array):
        return node[:]
    image = node.attrs.get("ome", node.attrs)["multiscales"][0]
    return np.concatenate([node[one["path"]][:].ravel() for one in image["datasets"]])


def damage(target: Path, zeros: bool) -> None:
    """Cut the files that were written last, or fill them with zeros, as a loss of power may."""
    files = [path for path in target.rglob("*") if path.is_file() and path.name != "job.json"]
    for path in sorted(files, key=lambda path: path.stat().st_mtime_ns)[-3:]:
        size = path.stat().st_size
        path.write_bytes(bytes(size) if zeros else path.read_bytes()[: size // 2])


def go_on(
    scenario: str, run: Callable[..., Any], expected: np.ndarray, source: Path, target: Path, again: bool
) -> None:
    """What stands there after a kill, and what becomes of it."""
    found = published(target)
    old = scenario == "overwrite" and found is not None and found.shape == OLD.shape
    assert found is None or np.array_equal(found, OLD if old else expected), "something wrong is to be seen"
    begun = (target / ".vrdask" / "job.json").exists()
    if old and not begun:
        run(source, target, overwrite=True)  # as the same command does, given again
    else:
        run(source, target, resume=True)
    assert np.array_equal(published(target), expected), "other bits"
    if again:
        run(source, target, resume=True)
    left = [
        path for path in target.rglob("*") if path.name.startswith((".vrdask", "claim-")) or ".partial" in path.name
    ]
    left += [path for path in target.parent.iterdir() if path.name.startswith(".")]
    assert not left, f"left over: {left}"
    if old or scenario == "overwrite":
        assert not (target / "old").exists()


def sweep(scenario: str, folder: Path) -> int:
    run, expected = SCENARIOS[scenario]
    source, target = folder / "in.zarr", folder / ("out.ome.tif" if "TIFF" in scenario else "out.zarr")
    assert ended(forked(lambda: zarr.create_array(source, data=X, chunks=(8, 8)) and None)) == 0
    step = 3 if scenario.startswith("pyramid") and os.environ.get("VRDASK_KILLS") != "all" else 1
    for number in itertools.count(1, step):

        def before() -> None:
            if scenario == "overwrite":
                zarr.create_group(target).create_array("old", data=X)
                shutil.rmtree(target / "old" / "c")
                (target / "zarr.json").unlink()
                zarr.create_array(target, data=OLD, chunks=(10, 10))

        def killed(number: int = number) -> None:
            kill_at(number)
            run(source, target, **({"overwrite": True} if scenario == "overwrite" else {}))

        assert ended(forked(before)) == 0
        first = forked(killed)
        second = forked(lambda: run(source, target, resume=True)) if scenario == "two" else None
        status = ended(first)
        if second is not None:
            assert ended(second) in (0, REFUSED)
        allowed = (0, -signal.SIGKILL) if second is None else (0, REFUSED, -signal.SIGKILL)
        assert status in allowed, f"kill {number}: {status}"
        if status == -signal.SIGKILL and scenario == "damage" and not (target / "zarr.json").exists():
            damage(target, zeros=number % 2 == 0)
        outcome = ended(forked(partial(go_on, scenario, run, expected, source, target, number % 5 == 0)))
        assert outcome == 0, f"{scenario}, kill {number}: see above; {json.dumps(os.listdir(folder))}"
        if status == 0 or (status == REFUSED and number > 60):
            return number - 1
        shutil.rmtree(target) if target.is_dir() else target.unlink()
    raise AssertionError


if __name__ == "__main__":
    os.fsync = lambda handle: None  # a kill leaves the system's memory as it is
    record.SECONDS_BETWEEN_FLUSHES = 0.002
    pyramid_plan.BLOCK_BYTES = pyramid_plan.PART_BYTES = pyramid_plan.SMALL_TASK_BYTES = 64  # several passes and tasks
    print(sweep(sys.argv[1], Path(sys.argv[2])))
