"""Code in Markdown files: its blocks, and running them as they stand.

    ```python      runs in one namespace for the whole page
    ```text        after it: what it prints
    ```console     `$ command` lines run in a shell; below each, what it prints on standard output
    ```bash        runs in a shell

A block that has the word `notest` behind its language does not run. `...` stands for any text in what is printed.
"""

from __future__ import annotations

import ast
import contextlib
import doctest
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vrdask
from vrdask.cli import main

FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", flags=re.S | re.M)
CHECKS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
SHELL = f'vrdask() {{ "{sys.executable}" -m vrdask "$@"; }}\n'
"""What a shell needs where the command is not installed."""
PLAIN = re.compile(r"vrdask [^|;&<>$`]*")
"""A command that needs no shell, and no process of its own: starting one takes longer than most runs."""


@dataclass(frozen=True)
class Block:
    """Code of a page. line : of the page, at which the code begins."""

    language: str
    runs: bool
    text: str
    line: int

    @property
    def commands(self) -> list[tuple[str, str]]:
        """Of a console: each command, with what it prints."""
        found: list[tuple[str, str]] = []
        for part in re.split(r"^\$ ", self.text, flags=re.M)[1:]:
            lines = part.splitlines(keepends=True)
            last = next(k for k, line in enumerate(lines) if not line.endswith("\\\n"))
            found.append(("".join(lines[: last + 1]), "".join(lines[last + 1 :])))
        return found


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    text = page.read_text()
    return [
        Block(found[1], "notest" not in found[2].split(), found[3], text.count("\n", 0, found.start()) + 2)
        for found in FENCE.finditer(text)
    ]


def imported(code: list[Block]) -> set[str]:
    """The packages that a page's Python imports."""
    found = set()
    for block in code:
        if block.language == "python" and block.runs:
            for node in ast.walk(ast.parse(block.text)):
                if isinstance(node, ast.Import):
                    found |= {name.name.split(".")[0] for name in node.names}
                elif isinstance(node, ast.ImportFrom):
                    found.add(str(node.module).split(".")[0])
    return found


def run(page: Path, folder: Path, names: dict[str, Any] | None = None) -> None:
    """Run a page's blocks in a folder; the process must be there, too."""
    names = {"__name__": "__main__"} if names is None else names
    code = blocks(page)
    for block, following in zip(code, [*code[1:], None], strict=True):
        where = f"{page.name}, line {block.line}"
        if not block.runs:
            continue
        if block.language == "python":
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), names)
            if following is not None and following.language == "text":
                require(following.text, printed.getvalue(), where)
        elif block.language == "bash":
            _shell(block.text, folder, where)
        elif block.language == "console":
            for command, expected in block.commands:
                require(expected, _shell(command, folder, where), f"{where}: {command.strip()}")


def _shell(command: str, folder: Path, where: str) -> str:
    """What a command prints on standard output."""
    if PLAIN.fullmatch(command):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            main.main(shlex.split(command.replace("\\\n", ""))[1:], standalone_mode=False)
        return printed.getvalue()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        ["bash", "-ec", SHELL + command], cwd=folder, env={**os.environ, "PATH": path},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{where}: {command.strip()}\n{done.stderr}"
    return done.stdout


def require(expected: str, printed: str, where: str) -> None:
    """What is printed must be as the page has it; nothing is asked for where the page has nothing."""
    if expected.strip() and not doctest.OutputChecker().check_output(expected, printed, CHECKS):
        raise AssertionError(f"{where}: the page says\n{expected}\nprinted was\n{printed}")


@contextlib.contextmanager
def imports_this_checkout() -> Iterator[None]:
    """Processes that are started meanwhile import the same vrdask as this one."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(vrdask.__file__).parents[1]), before]))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
