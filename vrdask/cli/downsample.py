"""The command `vrdask downsample`."""

from __future__ import annotations

from typing import Any

import click

from vrdask.cli.main import main
from vrdask.cli.options import (
    BY_AXIS,
    Names,
    about,
    cluster,
    how_run,
    how_stored,
    which_array,
)

MODES = ["mean", "majority", "median", "min", "max", "stride"]
"""The names in `vrdask.transforms.blocks`, which imports numpy."""


@main.command()
@click.argument("source")
@click.argument("target")
@click.option(
    "--factors", required=True, type=BY_AXIS, metavar="z=1,y=2,x=2",
    help="Samples of a block: a whole number for all axes of space, one for each of the last, or by name.",
)  # fmt: skip
@click.option("--mode", type=click.Choice(MODES), help="mean by default, majority for labels.")
@click.option("--sparse", is_flag=True, help="Of majority: zeros count only where there is nothing else.")
@click.option("--axes", type=Names(), metavar="z,y,x", help="Axes that the factors are for.")
@click.option("--force", is_flag=True, help="Let labels be mixed.")
@how_stored
@how_run
@which_array
def downsample(
    source: str, target: str, threads: int | None, workers: int | None, scheduler: str | None, dry_run: bool,
    quiet: bool, no_sync: bool, **options: Any,
) -> None:  # fmt: skip
    """Write the array at SOURCE to TARGET with every block of samples made one sample.

    Blocks are aligned at the first sample; the last one of an axis may be partial. SOURCE and TARGET may be what
    `vrdask resample` takes.
    """
    from vrdask.api.downsample_zarr import prepare
    from vrdask.cli.running import carry_out, open_chosen

    with cluster(scheduler, workers, threads), about(source, target):
        opened = open_chosen(source, options)
        job = prepare(opened, target, num_threads=threads, progress=not quiet, **options)
        carry_out(job, source, target, dry_run=dry_run, quiet=quiet, no_sync=no_sync)
