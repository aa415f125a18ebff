"""Progress: what is told of a run, of a resumed one, and of what goes on within a task."""

import io

import numpy as np
import pytest
import zarr
from rich.console import Console

import vrdask
from vrdask.runs import progress
from vrdask.runs.progress import Pace, reporting


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def told(steps, clock, total=1000):
    """What each step's pace is; a step is (seconds, done) or (seconds, None, within)."""
    seen: list[Pace] = []
    report = progress._Shown(seen.append, total)
    for seconds, done, *within in steps:
        clock[0] = 100.0 + seconds
        if done is not None:
            report(done, total)
        else:
            report.within(*within)
    return seen


def test_what_an_earlier_run_did_is_no_part_of_the_rate(clock):
    first, last = told([(5, 900), (15, 950)], clock)
    assert (first.done, first.since_start, first.left) == (900, 0, "")
    assert (last.done, last.since_start, last.seconds) == (950, 50, 10.0)
    assert last.left == "about 10 s left"


def test_what_is_done_within_a_task_counts_once(clock):
    paces = told([(0, 0), (1, None, 100), (2, None, 100), (3, 200), (4, None, 50), (5, 450)], clock)
    assert [pace.done for pace in paces] == [0, 100, 200, 200, 250, 450]


@pytest.mark.parametrize(
    ("seconds", "says"),
    [(3, "about 3 s left"), (90, "about 1.5 min left"), (7200, "about 2 h left"), (200_000, "about 2.3 d left")],
)
def test_the_time_left_has_a_unit(seconds, says):
    assert Pace(50, 100, 50, float(seconds)).left == says


def test_a_large_shard_tells_of_its_parts(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(progress._Shown, "within", lambda self, count: seen.append(count))
    x = np.random.default_rng(0).random((64, 64, 64)).astype("f4")
    source = zarr.create_array({}, data=x, chunks=(16, 16, 16))
    vrdask.resample_zarr(
        source, tmp_path / "out.zarr", (64, 64, 32), chunks=16, shards=64, memory_limit="3MB", progress=True
    )
    assert len(seen) > 1
    assert sum(seen) == 64 * 64 * 32


def test_lines_end_with_all_of_it_once(monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr("rich.console.Console", lambda stderr: Console(file=out))
    with reporting(True, 10, "resample") as report:
        report(0, 10)
        report.within(10)
        report(10, 10)
    assert out.getvalue().count("100 %") == 1
