"""Three levels below a volume in Zarr: vrdask beside ngff-zarr, ome-zarr-py and tensorstore, and beside what reading it
once and writing all levels once takes (zarr-python, and the codecs alone). Then `downsample` in memory (see
`downsample_peers`).

    python benchmarks/bench_pyramids.py [--kinds uint16,labels] [--shards 0,256] [--side N] [--chunk 128] [--threads 2]
                                        [--rounds 3] [--only NAME,..] [--volume 256,512,512] [--folder DIR]
                                        [--json FILE]

Volumes of about 1 GB of each kind, without shards (0) and in such; --side sets their side, 0 leaves them out, and
--volume 0 what is done in memory. Every run is a process of its own, and the runs of a round are interleaved. Printed
are the seconds of the best run, without imports, the process's peak memory, and how many times as long as vrdask it
took. vrdask copies the stored chunks of the full level, all others encode it again; "vrdask in place" adds the levels
to the image that is there, which has no shards. A peer that is not installed is left out, and said. What peers compute
is not the same: ngff-zarr and tensorstore round each level again, and ome-zarr-py interpolates.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import downsample_peers
import numpy as np
import numpy.typing as npt

LEVELS = 3
SIDES = {"uint16": 812, "labels": 512}
"""Of volumes of about 1 GB."""
IN_PLACE = "vrdask in place"
IMPORTS = {
    "vrdask": "vrdask.api.write_pyramid",
    IN_PLACE: "vrdask.api.write_pyramid",
    "ome-zarr-py": "ome_zarr.writer",
}
NEEDS = {"ngff-zarr": "ngff_zarr", "ome-zarr-py": "ome_zarr", "tensorstore": "tensorstore"}


def make(place: Path, side: int, chunk: int, kind: str) -> None:
    """An image of a smooth volume with a little noise, or of boxes of labels, written slab by slab."""
    import zarr

    dtype = "uint64" if kind == "labels" else "uint16"
    array = zarr.create_array(place / "0", shape=(side,) * 3, chunks=(chunk,) * 3, dtype=dtype)
    random = np.random.default_rng(0)
    for start in range(0, side, chunk):
        z, y, x = np.ogrid[start : min(start + chunk, side), :side, :side]
        if kind == "labels":
            array[start : start + chunk] = (z // 23 * 7919 + y // 31 * 104_729 + x // 29 * 1_299_709) % 999_983
        else:
            smooth = 2000 + 900 * np.sin(z / 40) * np.cos(y / 30) + 700 * np.sin(x / 25)
            array[start : start + chunk] = smooth + random.integers(0, 60, smooth.shape)


def leave_one_level(image: Path) -> None:
    """The image has its full level and no other."""
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    full = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 1]}]}
    ome = {"version": "0.5", "multiscales": [{"name": "volume", "axes": axes, "datasets": [full]}]}
    document = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}}
    (image / "zarr.json").write_text(json.dumps(document))
    for level in range(1, LEVELS + 1):
        shutil.rmtree(image / str(level), ignore_errors=True)


def by_vrdask(args: argparse.Namespace, source: Path, target: Path | None) -> None:
    import vrdask

    shards = {} if target is None else {"shards": args.shard or None}
    vrdask.write_pyramid(
        source, target, levels=LEVELS, mode="majority" if args.kind == "labels" else "mean", in_place=target is None,
        num_threads=args.threads, **shards,
    )  # fmt: skip


def by_ngff_zarr(args: argparse.Namespace, source: Path, target: Path) -> None:
    import dask
    import dask.array as da
    import ngff_zarr

    image = ngff_zarr.to_ngff_image(da.from_zarr(str(source / "0")), dims=["z", "y", "x"])
    labels = args.kind == "labels"
    method = ngff_zarr.Methods.DASK_IMAGE_MODE if labels else ngff_zarr.Methods.ITKWASM_BIN_SHRINK
    with dask.config.set(scheduler="threads", num_workers=args.threads):
        levels = ngff_zarr.to_multiscales(image, [2**k for k in range(1, LEVELS + 1)], method=method, chunks=args.chunk)
        ngff_zarr.to_ngff_zarr(str(target), levels)


def by_ome_zarr_py(args: argparse.Namespace, source: Path, target: Path) -> None:
    import dask
    import dask.array as da
    import zarr
    from ome_zarr.writer import write_image

    factors = [dict.fromkeys("zyx", 2**k) for k in range(1, LEVELS + 1)]
    with dask.config.set(scheduler="threads", num_workers=args.threads):
        write_image(da.from_zarr(str(source / "0")), zarr.open_group(str(target), mode="w"), axes="zyx",
                    scale_factors=factors, method="nearest" if args.kind == "labels" else "resize")  # fmt: skip


def by_tensorstore(args: argparse.Namespace, source: Path, target: Path) -> None:
    """The full level copied, then each level of the one before, as stored."""
    import tensorstore as ts

    limits = {"data_copy_concurrency": {"limit": args.threads}}
    method = "mode" if args.kind == "labels" else "mean"

    def opened(place: Path, **more: Any) -> Any:
        spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(place)}}
        return ts.open(spec, context=ts.Context(limits), **more).result()

    before = opened(source / "0")
    opened(target / "0", create=True, schema=before.schema).write(before).result()
    for level in range(1, LEVELS + 1):
        smaller = ts.downsample(opened(target / str(level - 1)), [2, 2, 2], method)
        chunk = ts.ChunkLayout(chunk_shape=[min(args.chunk, n) for n in smaller.shape])
        made = opened(target / str(level), create=True, dtype=smaller.dtype, shape=smaller.shape, chunk_layout=chunk)
        made.write(smaller).result()


def floor(args: argparse.Namespace, source: Path, target: Path, *, written: bool) -> None:
    """Decode the full level once, encode all levels once, of samples that are there already.

    written : by zarr-python, to the target; else the codec alone.
    """
    import numcodecs
    import zarr

    array, codec = zarr.open_array(source / "0", mode="r"), numcodecs.Zstd(level=0)
    to = [
        zarr.create_array(target / str(level), shape=tuple(-(-n // 2**level) for n in array.shape),
                          chunks=array.chunks, dtype=array.dtype)
        for level in range(LEVELS + 1)
    ] if written else []  # fmt: skip

    def encode(samples: npt.NDArray[Any], level: int, at: list[int]) -> None:
        if written:
            to[level][tuple(slice(a, a + n) for a, n in zip(at, samples.shape, strict=True))] = samples
        else:
            codec.encode(np.ascontiguousarray(samples))

    def block(start: tuple[int, ...]) -> None:
        size = args.chunk * 2**LEVELS
        for inner in product(
            *(range(a, min(a + size, n), args.chunk) for a, n in zip(start, array.shape, strict=True))
        ):
            samples = array[tuple(slice(a, a + args.chunk) for a in inner)]
            encode(samples, 0, list(inner))
            for level in range(1, LEVELS + 1):
                if all(a // args.chunk % 2**level == 0 for a in inner):
                    few = samples
                    place = [a // 2**level for a in inner]
                    room = [min(n, s - p) for n, s, p in zip(few.shape, [-(-n // 2**level) for n in array.shape], place,
                                                             strict=True)]  # fmt: skip
                    encode(few[tuple(map(slice, room))], level, place)

    starts = list(product(*(range(0, n, args.chunk * 2**LEVELS) for n in array.shape)))
    with zarr.config.set({"threading.max_workers": args.threads}), ThreadPoolExecutor(args.threads) as pool:
        list(pool.map(block, starts))


PEERS: dict[str, Callable[[argparse.Namespace, Path, Path], None]] = {
    "vrdask": by_vrdask,
    IN_PLACE: lambda args, source, target: by_vrdask(args, source, None),
    "codecs alone": lambda args, source, target: floor(args, source, target, written=False),
    "zarr-python floor": lambda args, source, target: floor(args, source, target, written=True),
    "tensorstore": by_tensorstore,
    "ngff-zarr": by_ngff_zarr,
    "ome-zarr-py": by_ome_zarr_py,
}


def run_one(args: argparse.Namespace, name: str, source: Path, target: Path) -> None:
    """One run, in this process: prints seconds and peak bytes."""
    for module in ("zarr", "dask.array", NEEDS.get(name), IMPORTS.get(name)):
        if module is not None:
            importlib.import_module(module)

    leave_one_level(source)
    begun = time.perf_counter()
    PEERS[name](args, source, target)
    seconds = time.perf_counter() - begun
    print(json.dumps([seconds, peak_bytes()]))


def peak_bytes() -> int:
    """The most memory that this process has had. Linux's getrusage counts what the parent had when it began, too."""
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default=",".join(SIDES))
    parser.add_argument("--shards", default="0,256")
    parser.add_argument("--side", type=int)
    parser.add_argument("--chunk", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="names with commas between them")
    parser.add_argument("--volume", default="256,512,512", help="to be halved in memory")
    parser.add_argument("--folder", type=Path, default=Path("pyramids-bench"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--run", help=argparse.SUPPRESS)
    args = parser.parse_args()
    found = []
    for kind, shard in product(args.kinds.split(","), args.shards.split(",")):
        args.kind, args.shard = kind, int(shard)
        side = SIDES[kind] if args.side is None else args.side
        source, target = args.folder / f"{args.kind}-{side}-{args.chunk}-image.zarr", args.folder / "out.zarr"
        if args.run:
            run_one(args, args.run, source, target)
            return
        if side:
            best = pyramids(args, side, source, target)
            said = {name: {"seconds": seconds, "peak_bytes": int(peak)} for name, (seconds, peak) in best.items()}
            found.append({"kind": args.kind, "side": side, "chunk": args.chunk, "shard": args.shard, "best": said})
    volume = tuple(map(int, args.volume.split(",")))
    rows = downsample_peers.print_rows(volume, args.threads, args.rounds) if min(volume) else {}
    if args.json:
        how = {"threads": args.threads, "rounds": args.rounds}
        args.json.write_text(json.dumps({**how, "pyramids": found, "in memory, ms": rows}, indent=1))


def pyramids(args: argparse.Namespace, side: int, source: Path, target: Path) -> dict[str, list[float]]:
    """Seconds and peak bytes of the best run of each peer; printed, and given back."""
    args.folder.mkdir(exist_ok=True)
    if not source.exists():
        make(source, side, args.chunk, args.kind)
    shards = f"shards of {args.shard}^3" if args.shard else "no shards"
    print(f"{args.kind} {side}^3 in chunks of {args.chunk}^3, {shards}")
    names = args.only.split(",") if args.only else [name for name in PEERS if name != IN_PLACE or not args.shard]
    for name in [name for name in names if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None]:
        print(f"{name} is not installed")
        names.remove(name)
    found: dict[str, list[list[float]]] = {name: [] for name in names}
    for _ in range(args.rounds):
        for name in names:
            shutil.rmtree(target, ignore_errors=True)
            asked = {"kinds": args.kind, "shards": args.shard, "side": side, "chunk": args.chunk, "folder": args.folder,
                     "threads": args.threads, "run": name}  # fmt: skip
            options = [text for key, value in asked.items() for text in (f"--{key}", str(value))]
            command = [sys.executable, __file__, *options]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{name} failed: {done.stderr.strip().splitlines()[-1]}")
                continue
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    shutil.rmtree(target, ignore_errors=True)
    best = {name: min(runs) for name, runs in found.items() if runs}
    ours = best.get("vrdask", [float("nan")])[0]
    for name, (seconds, peak) in best.items():
        print(f"{name:<20}{seconds:8.2f} s {seconds / ours:7.2f}x {peak / 2**20:8.0f} MiB")
    return best


if __name__ == "__main__":
    main()
