"""The tables of docs/migration.md: both calls of a row give the same numbers."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from markdown import FENCE

PAGE = Path(__file__).parents[2] / "docs" / "migration.md"
if not PAGE.exists():
    pytest.skip("the documentation is not here", allow_module_level=True)

ROW = re.compile(r"^\| `([^|]*)` \| `([^|]*)` \| ([^|]*) \|$", flags=re.M)
FIRST, *SECTIONS = re.split(r"^## ", PAGE.read_text(), flags=re.M)
ROWS = [(part, *row) for part in SECTIONS for row in ROW.findall(part)]


@pytest.mark.parametrize(
    ("section", "theirs", "ours", "by"), ROWS, ids=[f"{row[0].splitlines()[0]}-{k}" for k, row in enumerate(ROWS)]
)
def test_both_calls_agree(section, theirs, ours, by):
    names: dict[str, object] = {}
    for _, word, code in FENCE.findall(FIRST) + FENCE.findall(section):
        if word.strip():
            pytest.importorskip(word.split()[1])
        exec(code, names)
    expected, got = np.asarray(eval(theirs, names)), np.asarray(eval(ours, names))
    expected = expected.reshape(got.shape)
    if by == "ties":
        return
    error = np.abs(expected.astype("float64") - got.astype("float64")).max()
    assert error <= (0 if by == "nothing" else float(by))


def test_every_library_is_compared():
    compared = {section.splitlines()[0] for section, *_ in ROWS}
    assert {section.splitlines()[0] for section in SECTIONS} == compared
