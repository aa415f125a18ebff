"""Print the newest Python 3 found: among pyenv's versions and the pythonX.Y on PATH; else the one that runs this."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

TELL = "import sys; print(*sys.version_info[:3], sys.version_info.releaselevel, sys.executable)"


def candidates() -> list[tuple[str, dict[str, str]]]:
    """Commands that may start a Python 3, and what their environment adds."""
    found = [(f"python3.{minor}", {}) for minor in range(11, 30) if shutil.which(f"python3.{minor}")]
    if shutil.which("pyenv"):
        known = subprocess.run(["pyenv", "versions", "--bare"], capture_output=True, text=True, check=False).stdout
        for version in re.findall(r"^\s*(3\.\d+)(\.\d+)\s*$", known, flags=re.M):
            found.append((f"python{version[0]}", {"PYENV_VERSION": "".join(version)}))
    return found


def newest() -> str:
    """The executable of the newest final release that runs."""
    best = (sys.version_info[:3], sys.executable)
    for command, more in candidates():
        try:
            told = subprocess.run(
                [command, "-c", TELL], capture_output=True, text=True, check=False, env={**os.environ, **more}
            )
        except OSError:
            continue
        if told.returncode == 0:
            *version, level, executable = told.stdout.strip().split(" ", 4)
            if level == "final":
                best = max(best, (tuple(map(int, version)), executable))
    return best[1]


if __name__ == "__main__":
    print(newest())
