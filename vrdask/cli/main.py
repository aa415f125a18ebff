"""The command line: `vrdask resample`, `vrdask pyramid`, `vrdask affine`, `vrdask info`, `vrdask view` and others.

Exit status 0; 1 for an error, told in one line; 2 for wrong usage; 130, 143 and 129 where Ctrl-C, SIGTERM or SIGHUP
ended it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from vrdask import __version__
from vrdask.cli.options import (
    BY_AXIS,
    FACTORS,
    LENGTHS,
    ByAxis,
    Modes,
    Names,
    OneOfEach,
    about,
    cluster,
    how_run,
    how_stored,
    how_written,
    warned,
    which_array,
)  # fmt: skip
from vrdask.cli.signals import said_of, status_of, stopping

FILTERS = ["box", "bilinear", "hamming", "bicubic", "lanczos", "mks2013", "mks2021"]
MODES = ["nearest", "linear", "area", "area_exact", "cubic", *FILTERS]
"""The names in `vrdask.transforms.modes`, which imports numpy."""


_SAYS_ENOUGH = (
    ValueError, TypeError, ModuleNotFoundError,
    FileExistsError, FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError,
)  # fmt: skip
"""Kinds of errors whose messages need no name of their kind before them."""


class _OneLineErrors(click.Group):
    """A failed command says what was wrong in one line; no traceback unless --traceback asks for it."""

    command_class = OneOfEach

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with stopping():
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt as error:
            click.echo(f"Error: {said_of(error)}", err=True)
            raise click.exceptions.Exit(status_of(error)) from None
        except Exception as error:
            if ctx.params.get("traceback"):
                raise
            text = "; ".join([" ".join(str(error).split()) or type(error).__name__, *getattr(error, "__notes__", ())])
            if not isinstance(error, _SAYS_ENOUGH):
                text = f"{type(error).__name__}: {text}"
            raise click.ClickException(text) from error


@click.group(cls=_OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vrdask")
@click.option("--traceback", is_flag=True, help="Show where an error came from.")
def main(traceback: bool) -> None:
    """Resample arrays larger than memory, chunk by chunk, with the bits that resampling the whole would give."""


@main.command()
@click.argument("source")
@click.argument("target")
@click.option(
    "--shape",
    type=BY_AXIS,
    metavar="256,512,512",
    help="Target sizes, of the last axes of space or of --axes; or by name, y=512,x=512.",
)
@click.option("--factor", type=FACTORS, metavar="0.5", help="Output samples per input sample; or by name, z=1,y=0.5.")
@click.option(
    "--spacing",
    type=LENGTHS,
    metavar="1.5,1.5,1.5",
    help="Distance between output samples, in the source's units or in units of its own: 2um.",
)
@click.option("--exact", is_flag=True, help="Keep to the factor or spacing; else the sizes' ratio is used.")
@click.option(
    "--mode",
    type=ByAxis(MODES),
    help="For all axes, or by name: z=nearest,y=cubic,x=cubic. By default linear, for labels nearest.",
)
@click.option("--labels", is_flag=True, help="The samples are labels: majority or nearest, unless --mode is given.")
@click.option("--with-labels", is_flag=True, help="Resample the labels beside SOURCE, too, into those of TARGET.")
@click.option("--align-corners", is_flag=True, help="Keep the first and last samples' centres where they are.")
@click.option("--axes", type=Names(), metavar="z,y,x", help="Axes to resample; others are batch or channel axes.")
@how_stored
@how_written
@how_run
@which_array
def resample(
    source: str, target: str, threads: int | None, workers: int | None, scheduler: str | None, dry_run: bool,
    quiet: bool, no_sync: bool, **options: Any,
) -> None:  # fmt: skip
    """Resample the array at SOURCE into a new one at TARGET.

    SOURCE is a path or URL of a Zarr array or OME-Zarr image; a TIFF, SVS, DICOM, NIfTI, HDF5 (vol.h5::/path) or .npy
    file; a folder with a DICOM series; or a folder or a pattern ('scan/*.tif') of slices. TARGET becomes a Zarr array,
    or an OME-Zarr image where SOURCE says enough for one; a name that ends in .ozx makes one in a zip file, in .nii or
    .nii.gz NIfTI, in .png, .jpg or .tif a picture.
    """
    given = [name for name in ("shape", "factor", "spacing") if options[name] is not None]
    if len(given) != 1:
        raise click.UsageError(f"give exactly one of --shape, --factor and --spacing; got {', '.join(given) or 'none'}")
    from vrdask.api.resample_zarr import prepare
    from vrdask.cli.running import carry_out, open_chosen
    from vrdask.transforms.hints import aliasing
    from vrdask.transforms.resampling import Resampling

    region, options["region"] = options["region"], None  # which may have fractions
    with cluster(scheduler, workers, threads), about(source, target):
        opened = open_chosen(source, options)
        with warned():
            job = prepare(opened, target, region=region, num_threads=threads, progress=not quiet, **options)
        is_labels = options["labels"] or (opened.image is not None and opened.image.is_labels)
        mixes = isinstance(job.transform, Resampling) and not is_labels
        if not quiet and mixes and (hint := aliasing(job.transform)):
            click.echo(f"Hint: {hint}", err=True)
        carry_out(job, source, target, dry_run=dry_run, quiet=quiet, no_sync=no_sync)
        if options["with_labels"] and not job.labels and not quiet:
            click.echo(f"no labels lie beside {source}")


@main.command()
@click.option(
    "--size", type=click.IntRange(min=16), default=560, show_default=True, help="Side of the volume in voxels."
)
@click.option("--mode", type=Modes(MODES), default="cubic", show_default=True)
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), default=Path("vrdask-demo"), show_default=True
)
@click.option("--quiet", is_flag=True, help="No progress.")
def demo(size: int, mode: str, folder: Path, quiet: bool) -> None:
    """Resample a volume that the demo makes, prove the seams exact, and draw a picture."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise click.ClickException("the demo's picture needs matplotlib: pip install 'vrdask[pictures]'") from None
    from vrdask.cli.demo import run_demo

    say: Callable[[str], None] = click.echo
    check = run_demo(folder, size, mode, quiet, say)
    sys.exit(1 if check.differing else 0)


import vrdask.cli.affine  # noqa: E402 (adds its command)
import vrdask.cli.bench  # noqa: E402 (adds its command)
import vrdask.cli.downsample  # noqa: E402 (adds its command)
import vrdask.cli.info  # noqa: E402 (adds its command)
import vrdask.cli.pyramid  # noqa: E402 (adds its command)
import vrdask.cli.serve  # noqa: E402 (adds its command)
import vrdask.cli.view  # noqa: E402, F401 (adds its command)
