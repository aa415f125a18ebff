"""Signals that ask a run to stop: it leaves what resume goes on from, and heeds none that is ignored."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import cut_off
import pytest
import zarr
from cut_off import expected, opens
from numpy.testing import assert_array_equal

source = cut_off.source


HEEDED = """
import signal
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # ignored where the tests run behind a shell's &
    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
"""
SLOW = """
import sys, time
from vrdask.runs import task as block_work
apply = block_work.compute_box
def slowly(*args, **kwargs):
    time.sleep(0.1)
    return apply(*args, **kwargs)
block_work.compute_box = slowly
from vrdask.cli import main
main(sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of POSIX")
@pytest.mark.parametrize(
    ("name", "status", "said"),
    [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "stopped by SIGTERM"), ("SIGHUP", 129, "stopped by SIGHUP")],
)
def test_a_signal_that_asks_to_stop_leaves_what_resume_goes_on_from(source, tmp_path, name, status, said):
    target = tmp_path / "out.zarr"
    arguments = ["resample", str(source), str(target), "--shape", "60,48,32", "--chunks", "8", "--memory-limit", "1MB",
                 "--mode", "cubic", "--quiet"]  # fmt: skip
    process = subprocess.Popen([sys.executable, "-c", HEEDED + SLOW, *arguments], stderr=subprocess.PIPE, text=True)
    while not (target / "c").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(getattr(signal, name))
    _, error = process.communicate(timeout=60)
    assert process.returncode == status
    (line,) = error.strip().splitlines()
    assert line == f"Error: {said}; the target is not finished: resume=True (--resume) goes on from what is done"
    assert not (target / ".vrdask" / "lock.json").exists()
    assert list((target / ".vrdask" / "done").iterdir())
    assert not opens(target)
    again = subprocess.run([sys.executable, "-m", "vrdask", *arguments, "--resume"], check=False)
    assert again.returncode == 0
    assert_array_equal(zarr.open_array(target, mode="r")[:], expected(source))
    again = subprocess.run([sys.executable, "-m", "vrdask", *arguments, "--resume"], check=False)
    assert again.returncode == 0, "a requeued job"


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of POSIX")
def test_a_signal_that_is_ignored_stays_so(source, tmp_path):
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + SLOW
    arguments = ["resample", str(source), str(tmp_path / "out.zarr"), "--factor", "0.25", "--quiet"]
    process = subprocess.Popen([sys.executable, "-c", code, *arguments])
    while not (tmp_path / "out.zarr" / ".vrdask").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGHUP)
    assert process.wait(60) == 0
