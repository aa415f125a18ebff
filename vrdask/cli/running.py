"""What every command that makes a target does: opens its source, tells its plan or runs it, and tells its ends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

CHOOSING = ("level", "series", "channel", "region", "pixel_size", "coordinate_system")
"""Options that choose an array of a source (see `options.which_array`)."""


def open_chosen(source: str, options: dict[str, Any]) -> Any:
    """The source that the options choose: these are taken out of them."""
    from vrdask.sources import open_source

    return open_source(source, **{name: options.pop(name) for name in CHOOSING})


def carry_out(job: Any, source: str, target: str, *, dry_run: bool, quiet: bool, no_sync: bool) -> None:
    """Tell the plan of a run, or do it and tell its ends."""
    from vrdask.cli.describe import describe_ends, describe_job
    from vrdask.sources.above import LABELS, labels_beside

    if dry_run:
        click.echo(describe_job(job))
        return
    if quiet:
        job = replace(job, notes=(), labels=tuple((name, replace(one, notes=())) for name, one in job.labels))
    (without_sync(job) if no_sync else job).carry_out()
    if not quiet:
        click.echo(describe_ends(job, source, target))
        for name, one in job.labels:
            click.echo(describe_ends(one, one.source.place, f"{target}/{LABELS}/{name}"))
        if not job.labels and (beside := labels_beside(job.source)):
            click.echo(f"labels beside {source}, which were not resampled: {', '.join(beside)}")


def without_sync(job: Any) -> Any:
    """A run that does not wait for the disk."""
    labels = tuple((name, without_sync(one)) for name, one in job.labels)
    return replace(job, at=replace(job.at, durable=False), labels=labels)
