"""Damaged files, by the seed: ways to damage small files of every format, and a process per damaged file that tells
what `vrdask info` and `vrdask resample` make of it.

As a script: ``damage.py FOLDER SEED COUNT FORMAT..`` prints, as JSON, a line per case with what was wrong.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from small_files import FORMATS

SECONDS = 20
"""Of a processor; three times as long by the clock, for machines that have other work."""
MORE_BYTES = 1 << 30
"""Address space beyond what the libraries take."""
RESIDENT_BYTES = 500 << 20
NUMBERS = (0, 1, 2, 3, 7, 8, 16, 255, 256, 32767, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2, 3.5, 1e308, float("nan"), 2**31, 2**40, 2**63, 10**30, "", "nope", "../..", "0", [], [1],
    [[]], {}, {"name": "nope"}, [None] * 3, ["x", "y", "z"], "é" * 300,
)  # fmt: skip


# Damage


def damage(rng: random.Random, path: Path) -> str:
    """Damage a file, or one of the files in a folder; what was done."""
    if path.is_file():
        return _damage_file(rng, path)
    files = sorted(one for one in path.rglob("*") if one.is_file())
    said = [one for one in files if one.name.startswith((".z", "zarr.json"))]
    one = rng.choice(said if said and rng.random() < 0.8 else files)
    if rng.random() < 0.05:
        one.unlink()
        return f"{one.name} removed"
    if one in said and rng.random() < 0.8:
        return f"{one.relative_to(path)}: {_edit(rng, one)}"
    return f"{one.relative_to(path)}: {_damage_file(rng, one)}"


def _edit(rng: random.Random, path: Path) -> str:
    """Change one place in a file of JSON."""
    try:
        whole = json.loads(path.read_bytes())
        places = list(_places(whole))
    except ValueError:  # damaged before
        places = []
    if not places:
        return _damage_file(rng, path)
    holder, key, name = rng.choice(places)
    what = rng.choice(("set", "set", "set", "delete", "rename", "double", "wrap"))
    value = rng.choice(VALUES)
    if what == "delete":
        del holder[key]
    elif what == "rename" and isinstance(holder, dict):
        holder["nope"] = holder.pop(key)
    elif what == "double" and isinstance(holder, list):
        holder.insert(key, holder[key])
    elif what == "wrap":
        holder[key] = [holder[key]]
    else:
        what = f"set to {value!r:.40}"
        holder[key] = value
    path.write_text(json.dumps(whole))
    return f"{name} {what}"


def _places(value: Any, name: str = "") -> Iterator[tuple[Any, Any, str]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield value, key, f"{name}/{key}"
        yield from _places(below, f"{name}/{key}")


def _damage_file(rng: random.Random, path: Path) -> str:
    data = bytearray(path.read_bytes())
    size = max(1, len(data))
    if not data:
        data = bytearray(b"{}")
    near = min(size, 700) if rng.random() < 0.6 else size  # headers are short
    at = rng.randrange(near)
    many = rng.randrange(1, 1 + min(size, rng.choice((4, 40, 400))))
    what = rng.choice(
        ("flip", "flip", "number", "number", "number", "cut", "insert", "delete", "zero", "swap", "noise")
    )
    if what == "flip":
        for place in {at, *(rng.randrange(near) for _ in range(rng.randrange(3)))}:
            if place < len(data):
                data[place] ^= 1 << rng.randrange(8)
    elif what == "number":
        width, number = rng.choice((1, 2, 4, 8)), rng.choice(NUMBERS)
        at -= at % min(width, 4)
        number &= 256**width - 1
        data[at : at + width] = number.to_bytes(width, rng.choice(("little", "little", "big")))
        what = f"{number} in {width} bytes"
    elif what == "cut":
        del data[rng.randrange(size) :]
    elif what == "insert":
        data[at:at] = rng.randbytes(many)
    elif what == "delete":
        del data[at : at + many]
    elif what == "zero":
        data[at : at + many] = bytes(len(data[at : at + many]))
    elif what == "noise":
        data[at : at + many] = rng.randbytes(len(data[at : at + many]))
    else:
        there = rng.randrange(size)
        a, b = data[at : at + many], data[there : there + many]
        if len(a) == len(b):
            data[at : at + many], data[there : there + many] = b, a
    path.write_bytes(data)
    return f"{what} at {at}, {many} bytes, of {size}"


# What is made of it


def faults(source: Path, target: Path, rng: random.Random) -> tuple[list[str], bool]:
    """What a user would complain about, and whether the source was refused: run in a process of its own."""
    from click.testing import CliRunner

    from vrdask.cli import main

    found = []
    before = _snapshot(source)
    mode = rng.choice(("nearest", "linear", "area", "cubic", "lanczos"))
    last = ["--factor", "0.5", "--mode", mode, "--threads", "1"]
    if rng.random() < 0.1:
        target = target.with_suffix(rng.choice((".png", ".tif")))
    for command in (["info", str(source)], ["resample", str(source), str(target), "--quiet", *last]):
        result = CliRunner().invoke(main, command)
        said, name = result.output, " ".join((command[0], *command[2 + (command[0] == "resample") :]))
        if result.exit_code == 0:
            if command[0] == "resample" and not target.exists():
                found.append(f"{name}: exit 0 and no target")
            continue
        if result.exit_code != 1 or not isinstance(result.exception, SystemExit):
            found.append(f"{name}: exit {result.exit_code} {result.exception!r}")
        if len(said.strip().splitlines()) != 1:
            found.append(f"{name}: not one line: {said!r}")
        if str(source) not in said and str(target) not in said:
            found.append(f"{name}: path not named: {said!r}")
        if " must " not in said and " failed: " not in said:
            found.append(f"{name}: not said what must be: {said!r}")
        if command[0] == "resample" and _is_visible(target):
            found.append(f"{name}: exit 1 and a target: {said!r}")
    if _snapshot(source) != before:
        found.append("the source was changed")
    return found, result.exit_code != 0


def _snapshot(path: Path) -> Any:
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    return [(str(one), one.stat().st_mtime_ns, one.read_bytes() if one.is_file() else None) for one in files]


def _is_visible(target: Path) -> bool:
    return target.is_file() or any((target / name).exists() for name in ("zarr.json", ".zarray", ".zgroup"))


def case(folder: Path, name: str, seed: str) -> dict[str, Any]:
    """Damage a copy of a file and look, in a forked process, what becomes of it."""
    rng = random.Random(seed)
    place = folder / f"case-{seed}"
    place.mkdir()
    source = place / name
    whole = folder / name
    shutil.copytree(whole, source) if whole.is_dir() else shutil.copy(whole, source)
    done = damage(rng, source)
    if rng.random() < 0.2:
        done += f"; {damage(rng, source)}"
    pid = os.fork()
    if pid == 0:
        _be_a_case(place, source, rng)
    status, usage = _waited(pid)
    found, is_refused = [], False
    if os.WIFSIGNALED(status):
        ended = signal.Signals(os.WTERMSIG(status)).name
        found.append("a hang" if ended in ("SIGALRM", "SIGXCPU", "SIGKILL") else f"ended by {ended}")
    elif (place / "faults.json").exists():
        said, is_refused = json.loads((place / "faults.json").read_text())
        found += said
    else:
        found.append("ended without a word")
    if noise := (place / "noise").read_text(errors="replace") if (place / "noise").exists() else "":
        found.append(f"noise: {noise[:2000]}")
    if usage.ru_maxrss * 1024 > RESIDENT_BYTES:
        found.append(f"took {usage.ru_maxrss >> 10} MiB")
    shutil.rmtree(place)
    return {"format": name, "seed": seed, "damage": done, "faults": found, "refused": is_refused}


def _be_a_case(place: Path, source: Path, rng: random.Random) -> None:
    try:
        signal.alarm(3 * SECONDS)
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        here = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (here + MORE_BYTES, here + MORE_BYTES))
        noise = os.open(place / "noise", os.O_WRONLY | os.O_CREAT)
        os.dup2(noise, 1)
        os.dup2(noise, 2)
        (place / "faults.json").write_text(json.dumps(faults(source, place / "out.zarr", rng)))
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(0)


def _waited(pid: int) -> tuple[int, Any]:
    deadline = time.monotonic() + 4 * SECONDS  # an alarm may be waiting for a lock of C
    while time.monotonic() < deadline:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            return status, usage
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    return os.wait4(pid, 0)[1:]


def _make(folder: Path, name: str) -> None:
    """Write a file in a process of its own: zarr's threads must not be there when cases are forked."""
    pid = os.fork()
    if pid == 0:
        try:
            FORMATS[name](folder / name)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def run(folder: Path, seed: str, count: int, names: list[str]) -> None:
    import imagecodecs  # noqa: F401
    import nibabel  # noqa: F401
    import pydicom.pixels  # noqa: F401
    import tifffile  # noqa: F401

    import vrdask.cli.demo
    import vrdask.cli.describe  # noqa: F401

    for name in names:
        _make(folder, name)
        for number in range(count):
            print(json.dumps(case(folder, name, f"{seed}-{name}-{number}")), flush=True)


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:])
