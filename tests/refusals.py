"""What is asked of a file that must be refused: the same line from two commands, and little memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from click.testing import CliRunner

from vrdask.cli import main


def refused(path: Path | str, tmp_path: Path, *commands: str, options: Sequence[str] = ()) -> str:
    """What `vrdask info` and `vrdask resample` say of a file that both refuse: the same line, which names it."""
    said = []
    for command in commands or ("info", "resample"):
        more = (
            [str(tmp_path / "out.zarr"), "--factor", "0.5", "--quiet", "--overwrite"] if command == "resample" else []
        )
        done = CliRunner().invoke(main, [command, str(path), *more, *options])
        assert done.exit_code == 1, done.output
        assert done.output.count("\n") == 1
        assert str(path) in done.output
        said.append(done.output)
    assert len({*said}) == 1
    assert not (tmp_path / "out.zarr" / "zarr.json").exists()
    return said[0]


@contextmanager
def little_memory() -> Iterator[None]:
    """This process's peak grows by no more than a file that lies may take."""
    if sys.platform == "win32":  # which does not tell
        yield
        return
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit < 400 << 20
