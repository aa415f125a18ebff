"""Print what the package needs, and the named extras: without the package itself, whose extras name each other.

python .ci/needs.py [EXTRA ..]
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]


def needs(extras: Iterable[str]) -> Iterator[str]:
    for extra in extras:
        for one in PROJECT["optional-dependencies"][extra]:
            if others := re.fullmatch(rf"{PROJECT['name']}\[(.+)\]", one):
                yield from needs(others[1].split(","))
            else:
                yield one


if __name__ == "__main__":
    print(*dict.fromkeys([*PROJECT["dependencies"], *needs(sys.argv[1:])]), sep="\n")
