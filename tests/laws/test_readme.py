"""The README's Python examples run, in order, as they stand; its links, and those of other pages, lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import zarr

README = Path(__file__).parents[2] / "README.md"


def test_the_python_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    group = zarr.create_group("ct.zarr")
    scale = [{"type": "scale", "scale": [3.0, 0.8, 0.8]}]
    axes = [{"name": name, "type": "space", "unit": "millimeter"} for name in "zyx"]
    datasets = [{"path": "0", "coordinateTransformations": scale}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    group.create_array("0", data=np.zeros((20, 64, 64), "int16"), chunks=(16, 32, 32))
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(), flags=re.S | re.M)
    assert len(blocks) >= 4
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), names)
    assert "read amplification" in capsys.readouterr().out
    assert zarr.open_group("ct_1.5mm.zarr", mode="r")["0"].shape == (40, 34, 34)


def test_links_lead_to_files():
    root = README.parent
    pages = [*root.glob("*.md"), *root.glob("benchmarks/*.md"), *root.glob("docs/**/*.md")]
    found = [(page, link) for page in pages for link in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text())]
    assert len(found) > 4
    missing = [f"{page.relative_to(root)}: {link}" for page, link in found if not (page.parent / link).exists()]
    assert not missing
