"""The lock of a target: one run writes it at a time, whoever else begins at the same moment, on any store.

    .vrdask/lock.json           whose the target is: a token of the run, its process, and when it was last heard of
    .vrdask/claim-<token>.json  whoever would take the lock, for as long as that takes

No store but a file system has an exclusive way to write, and even there a lock that a dead run has left cannot be
replaced in one step. So a run first lays a claim, then looks: where another claim stands it steps back and tries again;
where a lock stands whose owner lives it gives up; else it writes the lock, and only then takes its claim away. Of two
runs the one that looks later finds the claim or the lock of the other. That takes a store in which a reader sees what
has been written before, which file systems and object stores are.

An owner lives for as long as it was heard of a short while ago, whatever a process number says: numbers mean nothing in
another container. Where the number was given in this very space of numbers, the process is asked for instead.
"""

from __future__ import annotations

import json
import os
import random
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from vrdask.storage import objects

if TYPE_CHECKING:
    from zarr.storage import StorePath

LOCK = "lock.json"
SECONDS_UNTIL_STALE = 120.0
SECONDS_TO_CLAIM = 60.0
"""A claim that has taken longer is laid anew, well before others take it for dead."""
_ATTEMPTS = 40


class LostLockError(RuntimeError):
    """Another run has taken over the target, or someone has removed it."""


class Lock:
    """The lock in a folder; whoever took it removes it, and nobody else."""

    def __init__(self, folder: StorePath) -> None:
        self._folder, self._at = folder, folder / LOCK
        self._token = uuid4().hex
        self._claim_at = folder / f"claim-{self._token}.json"

    def take(self) -> None:
        """Take the lock.

        Raises
        ------
        FileExistsError
            Another run has it.
        """
        for attempt in range(_ATTEMPTS):
            self._refuse_owner()
            begun = time.monotonic()
            try:
                objects.put(self._claim_at, self._claim())
            except FileNotFoundError:  # another run has removed the folder at this moment
                continue
            try:
                alone = self._is_alone()
                self._refuse_owner()
                if alone and time.monotonic() - begun < SECONDS_TO_CLAIM:
                    self._write()
                    return
            finally:
                objects.remove_quietly(self._claim_at)
            time.sleep(random.uniform(0.0, 0.02 * (attempt + 1)))
        raise FileExistsError(f"target must not be in use; another run has just begun at {objects.url(self._folder)}")

    def beat(self) -> None:
        """Say that the owner lives.

        Raises
        ------
        LostLockError
            The lock is another's, or gone.
        """
        self.require()
        objects.put(self._at, self._claim())

    def require(self) -> None:
        """Make sure that the lock is still this run's."""
        held = objects.get(self._at)
        if held is None:
            raise LostLockError(
                f"target must be left alone during a run; its lock is gone from {objects.url(self._folder)}"
            )
        if _read(held).get("token") != self._token:
            raise LostLockError(
                f"target must be left alone during a run; another has taken it over: {held.decode(errors='replace')}"
            )

    def release(self) -> None:
        """Remove the lock if it is still this run's."""
        held = objects.get(self._at)
        if held is not None and _read(held).get("token") == self._token:
            objects.remove(self._at)

    def _refuse_owner(self) -> None:
        held = objects.get(self._at)
        if held is not None and is_alive(held):
            raise FileExistsError(
                f"target must not be in use; another run is writing it: {held.decode(errors='replace')}"
            )

    def _is_alone(self) -> bool:
        """Whether no other run that lives has a claim; claims of the dead are removed."""
        try:
            claims = [name for name in objects.names(self._folder) if name.startswith("claim-")]
        except objects.CANNOT_LIST:
            return True  # the best that such a store can do: the lock itself
        others = [self._folder / name for name in claims if name.endswith(".json")]
        found = [(at, objects.get(at)) for at in others if at.path != self._claim_at.path]
        if any(value is not None and is_alive(value) for _, value in found):
            return False
        if len(others) == len(found):
            return False  # its own is gone: whoever removed the folder did
        for at, _ in found:
            objects.remove_quietly(at)
        return True

    def _write(self) -> None:
        claim = self._claim()
        objects.put(self._at, claim)
        if objects.get(self._at) != claim:
            raise FileExistsError(
                f"target must not be in use; another run has just begun at {objects.url(self._folder)}"
            )

    def _claim(self) -> bytes:
        pid = os.getpid()
        who: dict[str, Any] = {"token": self._token, "host": socket.gethostname(), "pid": pid, "space": _space()}
        return json.dumps({**who, "born": _process(pid)[0], "beat": time.time()}).encode()


def is_alive(claim: bytes) -> bool:
    """Whether the run that made a claim lives."""
    held = _read(claim)
    try:
        pid, beat = int(held["pid"]), float(held["beat"])
    except (KeyError, ValueError, TypeError):
        return False  # cut off
    if held.get("space") is None or held["space"] != _space():
        return time.time() - beat < SECONDS_UNTIL_STALE
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    born, runs = _process(pid)
    return runs and (born is None or born == held.get("born"))


def _read(claim: bytes) -> dict[str, Any]:
    try:
        found = json.loads(claim)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _space() -> str | None:
    """Where this process's number means what it means: the boot of this machine, and the container. None where that is
    not known, or where a process cannot be asked for.
    """
    if os.name == "nt":  # os.kill would send it a Ctrl-C
        return None
    if not sys.platform.startswith("linux"):
        return f"{sys.platform} {socket.gethostname()}"
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None


def _process(pid: int) -> tuple[str | None, bool]:
    """When a process began, in ticks since boot, which tells it from a later one with its number, None where unknown;
    and whether it runs, rather than waiting to be buried.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return fields[19], fields[0] not in ("Z", "X")
    except (OSError, IndexError):
        return None, True
