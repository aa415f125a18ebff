"""The command `vrdask affine`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vrdask.cli.main import main
from vrdask.cli.options import (
    RATIOS,
    SIZES,
    Modes,
    Names,
    about,
    cluster,
    how_run,
    how_stored,
    how_written,
    warned,
    which_array,
)

PADDING = ["constant", "voxel", "zeros", "border", "reflection", "mirror", "grid-constant", "wrap"]
"""The names in `vrdask.transforms.affine`, which imports numpy."""


@main.command()
@click.argument("source")
@click.argument("target")
@click.option(
    "--matrix", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
    help="Text, a row a line, with spaces or commas, as numpy.savetxt writes it; n x n, n x (n + 1), "
         "(n + 1) x (n + 1), or a diagonal. With --like 4 x 4, between worlds in millimetres (RAS+), from the "
         "reference's to the source's; or ITK's text file of an affine transform (.tfm, .txt).",
)  # fmt: skip
@click.option("--like", metavar="REFERENCE", help="Onto the grid of this image, which takes what SOURCE may be.")
@click.option("--offset", type=RATIOS, metavar="0,0,0", help="Added to the positions.")
@click.option("--output-shape", type=SIZES, metavar="256,512,512", help="Of the mapped axes; the source's by default.")
@click.option(
    "--mode", type=Modes(["nearest", "linear", "cubic"], sampling=True), help="By default linear, for labels nearest."
)
@click.option("--labels", is_flag=True, help="The samples are labels: nearest, unless --mode is given.")
@click.option("--padding-mode", type=click.Choice(PADDING), default="constant", show_default=True)
@click.option("--fill-value", type=float, default=0.0, show_default=True, help="Of what lies outside the source.")
@click.option("--axes", type=Names(), metavar="z,y,x", help="Axes that the matrix maps; the last ones by default.")
@how_stored
@how_written
@how_run
@which_array
def affine(
    source: str, target: str, matrix: Path | None, like: str | None, offset: Any, threads: int | None,
    workers: int | None, scheduler: str | None, dry_run: bool, quiet: bool, no_sync: bool, **options: Any,
) -> None:  # fmt: skip
    """Write the array at SOURCE, seen through an affine map, to TARGET.

    The output at index o is the source at position MATRIX @ o + OFFSET, in samples, as SciPy's affine_transform has it.
    With --like the target has the grid of REFERENCE, and the samples that lie at the same places of the world. SOURCE
    and TARGET may be what `vrdask resample` takes.
    """
    if matrix is None and like is None:
        raise click.UsageError("give --matrix, --like or both; got neither")
    given = [f"--{name.replace('_', '-')}" for name in ("output_shape", "axes") if options[name] is not None]
    given += ["--offset"] if offset is not None else []
    if like is not None and given:
        raise click.UsageError(f"--like says the grid; leave out {', '.join(given)}")
    from vrdask.api.affine_zarr import prepare
    from vrdask.cli.running import carry_out, open_chosen

    numbers = None if matrix is None else _read_matrix(matrix, like is not None)
    with cluster(scheduler, workers, threads), about(source, target, *filter(None, [like])):
        opened = open_chosen(source, options)
        with warned():
            job = prepare(
                opened, target, numbers, 0.0 if offset is None else offset, like=like, num_threads=threads,
                progress=not quiet, **options,
            )  # fmt: skip
        carry_out(job, source, target, dry_run=dry_run, quiet=quiet, no_sync=no_sync)


def _read_matrix(path: Path, is_world: bool) -> Any:
    """The numbers of a text file; of ITK's, where it leads from world to world."""
    import numpy as np

    from vrdask.images.itk_transform import BEGINS, read_itk_transform

    try:
        text = path.read_text()
        if text.startswith(BEGINS):
            if not is_world:
                raise ValueError("a transform of ITK leads from world to world, and needs --like")
            return read_itk_transform(text)
        rows = [line for line in text.replace(",", " ").splitlines() if line.split("#")[0].strip()]
        numbers = np.loadtxt(rows) if rows else None
    except ValueError as error:  # of bytes that are no text, too
        raise click.BadParameter(f"must hold rows of numbers; {error}", param_hint="--matrix") from None
    if numbers is None:
        raise click.BadParameter(f"must hold rows of numbers; got none in {path}", param_hint="--matrix")
    return np.atleast_1d(numbers)
