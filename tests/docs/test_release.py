"""What other places repeat of the project's metadata is what the project says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "docs" / "project"
pytestmark = pytest.mark.skipif(not PROJECT.is_dir(), reason="the tests run without the checkout's docs")


@pytest.fixture(scope="module")
def metadata() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_citation_names_version_and_license(metadata):
    citation = yaml.safe_load((PROJECT / "CITATION.cff").read_text())
    assert (str(citation["version"]), citation["license"]) == (metadata["version"], metadata["license"])
    assert {"cff-version", "message", "title", "authors"} <= set(citation)


def test_the_recipe_needs_what_the_package_needs(metadata):
    recipe = yaml.safe_load((PROJECT / "conda" / "recipe.yaml").read_text())
    assert recipe["context"]["version"] == metadata["version"]
    assert recipe["about"]["license"] == metadata["license"]
    assert recipe["build"]["python"]["entry_points"] == [f"vrdask = {metadata['scripts']['vrdask']}"]
    names = {"dask[array]": "dask-core"}
    needed = [re.match(r"([^>]+)(>=.*)", text).groups() for text in metadata["dependencies"]]
    expected = [f"{names.get(name, name)} {version}" for name, version in needed]
    assert recipe["requirements"]["run"] == [f"python {metadata['requires-python']}", *expected]
