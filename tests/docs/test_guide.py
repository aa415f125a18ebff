"""The guide's recipes run as they stand: commands and code, in order, with what they print."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown import blocks, imported, imports_this_checkout, require, run

HERE = Path(__file__)
DOCS = HERE.parents[2] / "docs"
OTHERS = {"_build", "project", "migration.md"}
"""Of no code, and with a test of its own."""
PAGES = [page for page in sorted(DOCS.rglob("*.md")) if OTHERS.isdisjoint(page.relative_to(DOCS).parts)]
PAGES = [page for page in PAGES if any(block.runs for block in blocks(page))]
if not PAGES:
    pytest.skip("the documentation is not here", allow_module_level=True)


@pytest.fixture
def bucket(monkeypatch, tmp_path) -> Iterator[None]:
    """An empty bucket of S3, of this name, for those who look into the environment for it."""
    s3fs = pytest.importorskip("s3fs")
    server = subprocess.Popen(
        [sys.executable, HERE.parents[1] / "s3_server.py"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert server.stdout is not None
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{int(server.stdout.readline())}", "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": str(tmp_path / "none"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem(skip_instance_cache=True).mkdir("bucket")
        yield
        s3fs.S3FileSystem.clear_instance_cache()
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


@pytest.mark.skipif(sys.platform == "win32", reason="pages have bash, and fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning")  # from 3.12 on
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs(page, tmp_path, monkeypatch, request):
    missing = [name for name in imported(blocks(page)) if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    if "s3://bucket" in page.read_text():
        request.getfixturevalue("bucket")
    monkeypatch.chdir(tmp_path)
    with imports_this_checkout():
        run(page, tmp_path)


def test_what_does_not_run_is_few_and_known():
    silent = {page.stem for page in PAGES for block in blocks(page) if not block.runs}
    assert silent <= {"clusters", "look"}


def test_the_check_sees_a_difference(tmp_path):
    require("a ... c\n", "a b c\n", "here")
    with pytest.raises(AssertionError, match="printed was"):
        require("a ... d\n", "a b c\n", "here")
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(1)\n```\n\n```text\n2\n```\n")
    with pytest.raises(AssertionError, match=r"page.md, line 2: the page says\n2\n"):
        run(page, tmp_path)
    page.write_text("```console\n$ echo a \\\n   b\na b\n$ false\n```\n")
    with pytest.raises(AssertionError, match="line 2: false"):
        run(page, tmp_path)
