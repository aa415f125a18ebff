"""The command `vrdask affine`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vrdask.cli.main import main
from vrdask.cli.options import AXES, RATIOS, SIZES, about, cluster, how_run, how_stored, which_array, without_sync

PADDING = ["constant", "voxel", "zeros", "border", "reflection", "mirror", "grid-constant"]
"""The names in `vrdask.transforms.affine`, which imports numpy."""


@main.command()
@click.argument("source")
@click.argument("target")
@click.option(
    "--matrix", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
    help="Text, a row a line, with spaces or commas, as numpy.savetxt writes it; n x n, n x (n + 1), "
         "(n + 1) x (n + 1), or a diagonal.",
)  # fmt: skip
@click.option("--offset", type=RATIOS, metavar="0,0,0", default=0.0, help="Added to the positions.")
@click.option("--output-shape", type=SIZES, metavar="256,512,512", help="Of the mapped axes; the source's by default.")
@click.option("--mode", type=click.Choice(["nearest", "linear", "cubic"]), default="linear", show_default=True)
@click.option("--padding-mode", type=click.Choice(PADDING), default="constant", show_default=True)
@click.option("--fill-value", type=float, default=0.0, show_default=True, help="Of what lies outside the source.")
@click.option("--axes", type=AXES, metavar="0,1,2", help="Axes that the matrix maps; the last ones by default.")
@how_stored
@how_run
@which_array
def affine(
    source: str, target: str, matrix: Path, threads: int | None, workers: int | None, scheduler: str | None,
    dry_run: bool, quiet: bool, no_sync: bool, level: int, series: int, channel: int | None, region: str | None,
    pixel_size: Any, **options: Any,
) -> None:  # fmt: skip
    """Write the array at SOURCE, seen through an affine map, to TARGET.

    The output at index o is the source at position MATRIX @ o + OFFSET, in samples, as SciPy's affine_transform has it.
    SOURCE and TARGET may be what `vrdask resample` takes.
    """
    import numpy as np

    from vrdask.api.affine_zarr import prepare
    from vrdask.cli.describe import describe_ends, describe_job
    from vrdask.sources import open_source

    try:
        rows = [line for line in matrix.read_text().replace(",", " ").splitlines() if line.split("#")[0].strip()]
        numbers = np.loadtxt(rows) if rows else None
    except ValueError as error:  # of bytes that are no text, too
        raise click.BadParameter(f"must hold rows of numbers; {error}", param_hint="--matrix") from None
    if numbers is None:
        raise click.BadParameter(f"must hold rows of numbers; got none in {matrix}", param_hint="--matrix")
    with cluster(scheduler, workers, threads), about(source, target):
        opened = open_source(
            source, level=level, series=series, channel=channel, region=region, pixel_size=pixel_size
        )  # fmt: skip
        job = prepare(opened, target, np.atleast_1d(numbers), num_threads=threads, progress=not quiet, **options)
        if dry_run:
            click.echo(describe_job(job))
            return
        (without_sync(job) if no_sync else job).run()
        if not quiet:
            click.echo(describe_ends(job, source, target))
