"""`vrdask bench`: every library does the same job, and what is told is what was timed."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

import vrdask
from vrdask.cli import main
from vrdask.cli.bench import jobs
from vrdask.cli.bench.timed import SAME_JOB
from vrdask.compute import builds


def run(*arguments):
    return CliRunner().invoke(main, ["bench", *map(str, arguments)])


@pytest.fixture
def small(monkeypatch):
    """One small job, beside a library that does it, one that does another, and one that does none."""

    def half(x, threads):
        return vrdask.resample(x, (8, 8))

    calls = {"vrdask": half, "scipy": half, "torch": lambda x, threads: half(x, threads) + 1}
    job = jobs.Job("linear 16^2 to half", lambda: (np.ones((16, 16), "float32"),), calls)
    monkeypatch.setattr(jobs, "JOBS", (job,))
    monkeypatch.setattr(jobs, "installed", lambda: ("scipy", "torch", "pillow"))
    monkeypatch.setattr(jobs, "set_threads", lambda peers, threads: None)


@pytest.mark.slow
def test_every_library_does_the_same_job():
    """All jobs once, in a process of their own: libraries keep the number of threads that they are given."""
    command = [sys.executable, "-m", "vrdask", "bench", "--seconds", "0", "--threads", "2", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    about = said["machine"]
    assert (about["vrdask"], about["threads"]) == (vrdask.__version__, 2)
    assert about["instruction_set"] in builds.supported()
    assert about["processor"]
    assert {*about["peers"]} == {*jobs.installed()}
    assert list(said["jobs"]) == [job.name for job in jobs.JOBS]
    for job in jobs.JOBS:
        times = said["jobs"][job.name]
        assert {*times} == {"vrdask"} | ({*job.calls} & {*about["peers"]})
        assert next(iter(times)) == "vrdask"
        for one in times.values():
            assert one["differing"] <= SAME_JOB
            assert 0 < one["fastest_ms"] <= one["ms"]
            assert one["rounds"] == 1
    assert done.stderr.splitlines()[0] == f"1 of {len(jobs.JOBS)}: {jobs.JOBS[0].name}"


def test_the_table_tells_of_the_machine_and_of_each_library(small):
    done = run("--seconds", "0", "--threads", "1", "--quiet")
    assert done.exit_code == 0, done.output
    lines = [line.split() for line in done.output.splitlines()]
    assert ["instruction", "set", builds.choose()] in lines
    assert ["threads", "1"] in lines
    (ours,) = (line for line in lines if line[:1] == ["linear"])
    assert ours[:5] == ["linear", "16^2", "to", "half", "vrdask"]
    (scipy,) = (line for line in lines if line[:1] == ["scipy"])
    assert float(scipy[-1]) > 0
    (torch,) = (line for line in lines if line[:1] == ["torch"])
    assert torch[-2:] == ["another", "result"]
    assert not any(line[:1] == ["pillow"] for line in lines)


def test_a_machine_without_peers(small, monkeypatch):
    monkeypatch.setattr(jobs, "installed", lambda: ())
    done = run("--seconds", "0", "--quiet")
    assert (done.exit_code, "none installed" in done.output) == (0, True)
    said = json.loads(run("--seconds", "0", "--quiet", "--json").output)
    assert list(said["jobs"]["linear 16^2 to half"]) == ["vrdask"]


def test_a_picture_is_drawn_and_kept(small, tmp_path):
    pytest.importorskip("matplotlib", reason="vrdask[pictures] is not installed")
    path = tmp_path / "bench.png"
    assert run("--seconds", "0", "--picture", path).exit_code == 0
    before = path.read_bytes()
    assert before.startswith(b"\x89PNG")
    again = run("--seconds", "0", "--picture", path)
    assert (again.exit_code, path.read_bytes()) == (1, before)
    assert "target must not exist" in again.output
    assert run("--seconds", "0", "--picture", path, "--overwrite").exit_code == 0
    path.write_text("my diary")
    assert run("--seconds", "0", "--picture", path, "--overwrite").exit_code == 1
    assert path.read_text() == "my diary"


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--only", "quintic"), 2, "--only must be part of a job's name; got 'quintic'"),
        (("--threads", "0"), 2, "--threads"),
        (("--picture", "bench.jpg"), 1, "a picture's name must end in .png; got bench.jpg"),
        (("--picture", "nowhere/bench.png"), 1, "the folder of a picture must exist; got nowhere/bench.png"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_timed(arguments, status, said):
    done = run(*arguments)
    assert (done.exit_code, said in done.output) == (status, True), done.output
    assert "1 of" not in done.output
