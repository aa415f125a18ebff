"""One run of one contender, in this process: prints its seconds, peak memory and tasks as JSON.

python pipeline_run.py CONTENDER SOURCE TARGET THREADS

Contenders are functions of (source path, target path, threads) that halve a 3-D uint16 Zarr array. Each imports what it
needs before the clock starts. Peak memory counts from after the imports.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import zarr

Run = Callable[[], int | None]
"""Does the job; gives back its number of tasks, if it has any."""
CONTENDERS: dict[str, Callable[[str, str, int], Run]] = {}


def contender(name: str) -> Callable[[Any], Any]:
    def add(make: Callable[[str, str, int], Run]) -> Callable[[str, str, int], Run]:
        CONTENDERS[name] = make
        return make

    return add


def blank(source: zarr.Array[Any], target: str, dtype: Any = None) -> zarr.Array[Any]:
    """An empty target of half the size, stored as the source is."""
    shape = tuple(n // 2 for n in source.shape)
    return zarr.create_array(
        target, shape=shape, dtype=dtype or source.dtype, chunks=source.chunks, shards=source.shards,
        compressors=source.compressors, overwrite=True,
    )  # fmt: skip


def boxes(shape: tuple[int, ...], unit: tuple[int, ...]) -> list[tuple[slice, ...]]:
    grid = [range(0, n, u) for n, u in zip(shape, unit, strict=True)]
    corners = np.stack(np.meshgrid(*grid, indexing="ij"), -1).reshape(-1, len(shape)).tolist()
    return [tuple(slice(a, min(a + u, n)) for a, u, n in zip(corner, unit, shape, strict=True)) for corner in corners]


@contender("floor")
def floor(source: str, target: str, threads: int) -> Run:
    """Decode every source chunk once with zarr, a region of whole units per task, and encode every output chunk once.

    The samples that are written are source samples: what is encoded is as compressible.
    """
    zarr.config.set({"threading.max_workers": threads})

    def run() -> int:
        x = zarr.open_array(source, mode="r")
        y = blank(x, target)
        unit = y.shards or y.chunks
        writes = boxes(y.shape, unit)

        def one(box: tuple[slice, ...]) -> None:
            region = x[tuple(slice(2 * s.start, 2 * s.stop) for s in box)]
            y[box] = region[tuple(slice(0, s.stop - s.start) for s in box)]

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(one, writes))
        return len(writes)

    return run


@contender("floor, codecs alone")
def codec_floor(source: str, target: str, threads: int) -> Run:
    """The same for numcodecs alone: files read, decoded, encoded and written on threads; nothing is put together, cut
    up or looked at.
    """

    def run() -> int:
        x = zarr.open_array(source, mode="r")
        assert x.shards is None
        codec, key = numcodecs.Zstd(x.compressors[0].level), x.metadata.encode_chunk_key
        out = blank(x, target)
        inner = [tuple(i) for i in np.ndindex(*(-(-n // c) for n, c in zip(x.shape, x.chunks, strict=True)))]
        kept = {tuple(i) for i in np.ndindex(*(-(-n // c) for n, c in zip(out.shape, out.chunks, strict=True)))}

        def one(index: tuple[int, ...]) -> None:
            chunk = codec.decode((Path(source) / key(index)).read_bytes())
            if index in kept:
                place = Path(target) / key(index)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(codec.encode(chunk))

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(one, inner))
        return len(inner)

    return run


def ours(mode: str) -> Callable[[str, str, int], Run]:
    def make(source: str, target: str, threads: int) -> Run:
        from vrdask.api.resample_zarr import prepare

        def run() -> int:
            job = prepare(source, target, factor=0.5, mode=mode, num_threads=threads, overwrite=True)
            job.run()
            return len(job.plan)

        return run

    return make


for _mode in ("nearest", "linear", "area", "cubic", "lanczos"):
    CONTENDERS[f"vrdask {_mode}"] = ours(_mode)


@contender("vrdask area, zarrs")
def ours_with_zarrs(source: str, target: str, threads: int) -> Run:
    import zarrs  # noqa: F401

    zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "threading.max_workers": threads})
    return ours("area")(source, target, threads)


def stored_by_dask(array: Any, source: str, target: str, threads: int) -> int:
    import dask
    import dask.array as da

    x = zarr.open_array(source, mode="r")
    y = blank(x, target)
    stored = da.store(array.rechunk(y.shards or y.chunks), y, lock=False, compute=False)
    with dask.config.set(scheduler="threads", num_workers=threads):
        stored.compute()
    return len(dict(stored.__dask_graph__()))


@contender("dask.array.coarsen")
def coarsen(source: str, target: str, threads: int) -> Run:
    """Means of 2x2x2, in float64, cut off to integers."""
    import dask.array as da

    def run() -> int:
        x = da.from_zarr(source)
        mean = da.coarsen(np.mean, x, dict.fromkeys(range(x.ndim), 2)).astype(x.dtype)
        return stored_by_dask(mean, source, target, threads)

    return run


@contender("dask-image affine")
def dask_image(source: str, target: str, threads: int) -> Run:
    """Linear, at the positions of half-size samples."""
    import dask.array as da
    from dask_image.ndinterp import affine_transform

    def run() -> int:
        x = da.from_zarr(source)
        shape = tuple(n // 2 for n in x.shape)
        half = affine_transform(
            x, np.diag([2.0] * x.ndim), offset=[0.5] * x.ndim, output_shape=shape, order=1, output_chunks=x.chunksize
        )
        return stored_by_dask(half, source, target, threads)

    return run


@contender("ome-zarr-py resize")
def ome_zarr_resize(source: str, target: str, threads: int) -> Run:
    """skimage's resize of each chunk by itself."""
    import dask.array as da
    from ome_zarr.dask_utils import resize

    def run() -> int:
        x = da.from_zarr(source)
        half = resize(x, tuple(n // 2 for n in x.shape), order=1, preserve_range=True, anti_aliasing=False)
        return stored_by_dask(half.astype(x.dtype), source, target, threads)

    return run


@contender("tensorstore mean")
def tensorstore_mean(source: str, target: str, threads: int) -> Run:
    """A downsampled view, written to a new Zarr; as many threads."""
    import tensorstore as ts

    def run() -> None:
        blank(zarr.open_array(source, mode="r"), target)
        context = ts.Context({"data_copy_concurrency": {"limit": threads}, "file_io_concurrency": {"limit": threads}})
        open_at = {"driver": "zarr3", "kvstore": {"driver": "file", "path": ""}}
        x, y = (
            ts.open({**open_at, "kvstore": {"driver": "file", "path": place}}, context=context).result()
            for place in (source, target)
        )
        y.write(ts.downsample(x, [2] * x.rank, "mean")).result()

    return run


@contender("volresample whole")
def volresample_whole(source: str, target: str, threads: int) -> Run:
    """Everything loaded, as float32."""
    import volresample

    volresample.set_num_threads(threads)
    zarr.config.set({"threading.max_workers": threads})

    def run() -> None:
        x = zarr.open_array(source, mode="r")
        half = volresample.resample(x[:].astype(np.float32), tuple(n // 2 for n in x.shape), "linear")
        blank(x, target)[:] = np.rint(half).astype(x.dtype)

    return run


def memory(name: str) -> int:
    """A line of /proc/self/status, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


def main() -> None:
    name, source, target, threads = sys.argv[1:]
    run = CONTENDERS[name](source, target, int(threads))
    shutil.rmtree(target, ignore_errors=True)
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    start = time.perf_counter()
    tasks = run()
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "peak_mb": (memory("VmHWM") - before) / 1e6, "tasks": tasks}))


if __name__ == "__main__":
    main()
