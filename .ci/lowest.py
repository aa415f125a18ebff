"""Print constraints that hold pip to the lowest versions that pyproject.toml declares.

    python .ci/lowest.py EXTRA [EXTRA ..]

Of the dependencies and of the named extras, "name>=1.2" becomes "name==1.2".
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path


def lowest(extras: Iterable[str]) -> list[str]:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *(one for extra in extras for one in project["optional-dependencies"][extra])]
    found = (re.match(r"([\w.-]+)(?:\[[\w,-]+\])?>=([\w.]+)", one) for one in declared)
    return [f"{match[1]}=={match[2]}" for match in found if match]


if __name__ == "__main__":
    print(*lowest(sys.argv[1:]), sep="\n")
