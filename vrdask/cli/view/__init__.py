"""The command `vrdask view`: one page to look at an image, to be opened from disk, without a network."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from vrdask.cli.main import main
from vrdask.cli.options import about, which_array

MOST_LABEL_IMAGES = 4
SUFFIXES = (".html", ".htm")


@main.command()
@click.argument("source")
@click.option("-o", "--output", required=True, metavar="page.html", help="The page to write.")
@click.option(
    "--embed", default="8MiB", show_default=True, metavar="8MiB",
    help="Samples that the page holds: a level that fits, or the nearest larger one, resampled.",
)  # fmt: skip
@click.option("--labels/--no-labels", default=True, help="Whether label images beside SOURCE are drawn over it.")
@click.option("--memory-limit", metavar="2GiB", help="For resampling; 320 MiB per thread by default.")
@click.option("--threads", type=click.IntRange(min=1), help="As many as usable cores by default.")
@click.option("--overwrite", is_flag=True, help="Replace a page at the same place.")
@click.option("--quiet", is_flag=True, help="No progress, no summary.")
@which_array
def view(
    source: str, output: str, embed: str, labels: bool, memory_limit: str | None, threads: int | None, overwrite: bool,
    quiet: bool, **options: Any,
) -> None:  # fmt: skip
    """Write a page that shows the array at SOURCE: what is known of it, its slices, channels and labels.

    SOURCE may be what `vrdask resample` takes. The page holds all that it needs, and fetches nothing.
    """
    from vrdask.cli.running import open_chosen
    from vrdask.cli.view.shown import reduced
    from vrdask.targets.whole_file import require_replaceable, written_whole
    from vrdask.text import format_bytes

    path = Path(output)
    with about(source, output):
        if path.suffix.lower() not in SUFFIXES:
            raise ValueError(f"a page's name must end in {' or '.join(SUFFIXES)}; got {output}")
        require_replaceable(path, overwrite, _is_page)
        if not path.absolute().parent.is_dir():
            raise FileNotFoundError(f"the folder of a page must exist; got {output}")
        run = partial(reduced, progress=not quiet, memory_limit=memory_limit, num_threads=threads)
        page = page_of(open_chosen(source, options), source, embed, labels, run).encode(errors="replace")
        with written_whole(path, overwrite, _is_page) as beside:
            beside.write_bytes(page)
    if not quiet:
        click.echo(f"{output}: {format_bytes(len(page))}, to be opened in a browser")


def page_of(opened: Any, place: str, embed: str, labels: bool, run: Any) -> str:
    """The page of a source. place : as the user named it. run : see `shown.shown`."""
    from vrdask.cli.info import known, told
    from vrdask.cli.view.page import levels_of, page, view_of
    from vrdask.cli.view.shown import shown
    from vrdask.runs.target_sizes import parse_bytes
    from vrdask.sources.label_images import labels_at

    limit = parse_bytes(embed, "embed") or 0
    info = known(opened)
    is_labels = opened.image is not None and opened.image.is_labels
    each = limit if opened.dtype.itemsize == 1 else limit // 2
    base = shown(opened, each, run, is_labels)
    try:
        beside = labels_at(opened)[:MOST_LABEL_IMAGES] if labels and not is_labels else []
    except (OSError, ValueError) as error:
        error.add_note("--no-labels leaves label images out")
        raise
    over = {name: shown(one, limit // 2 // len(beside), run, majority=True) for name, one, _ in beside}
    view = {"place": place, "levels": levels_of(opened, info), **view_of(base, over, is_labels)}
    listed = {f"level {one['path']}" for one in info["levels"]}  # which the page lists by themselves
    rows = [row for row in told(opened, info) if row[0] not in listed]
    return page(Path(place).name or place, info, rows, view)


def _is_page(begins: bytes) -> bool:
    return begins.lstrip()[:5].lower() in (b"<!doc", b"<html")
