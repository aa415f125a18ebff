"""The command line: `vrdask resample`, `vrdask affine`, `vrdask info`, `vrdask demo`.

Exit status 0; 1 for an error, told in one line; 2 for wrong usage.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import click

from vrdask import __version__


class _Numbers(click.ParamType):  # type: ignore[type-arg]
    """One number, or several with commas between them."""

    def __init__(self, kind: type[int] | type[float], several: str) -> None:
        self.kind, self.name = kind, several

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            numbers = tuple(self.kind(part) for part in value.split(","))
        except ValueError:
            self.fail(f"must be numbers with commas between them, such as {self.name}; got {value!r}", param, ctx)
        return numbers[0] if len(numbers) == 1 else numbers


SIZES = _Numbers(int, "256,512,512")
AXES = _Numbers(int, "0,1,2")
RATIOS = _Numbers(float, "0.5,1,1")


MODES = ["nearest", "linear", "area", "cubic", "box", "bilinear", "hamming", "bicubic", "lanczos"]
"""The names in `vrdask.modes`, which imports numpy."""


def which_array(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that choose an array of a source."""
    for option in (
        click.option("--channel", type=click.IntRange(min=0), help="Only this channel or colour."),
        click.option("--series", type=click.IntRange(min=0), default=0, help="Image of a TIFF; the first by default."),
        click.option(
            "--level", type=click.IntRange(min=0), default=0, help="Level of a pyramid; the full size by default."
        ),
    ):
        command = option(command)
    return command


class _OneLineErrors(click.Group):
    """A failed command says what was wrong in one line; no traceback unless --traceback asks for it."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            raise click.ClickException("interrupted; the target is not finished") from None
        except Exception as error:
            if ctx.params.get("traceback"):
                raise
            text = " ".join(str(error).split()) or type(error).__name__
            if not isinstance(
                error, ValueError | TypeError | FileExistsError | FileNotFoundError | ModuleNotFoundError
            ):
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
@click.option("--shape", type=SIZES, metavar="256,512,512", help="Target sizes, of the last axes or of --axes.")
@click.option("--factor", type=RATIOS, metavar="0.5", help="Output samples per input sample.")
@click.option(
    "--spacing", type=RATIOS, metavar="1.5,1.5,1.5", help="Distance between output samples, in the source's units."
)
@click.option("--mode", type=click.Choice(MODES), default="linear", show_default=True)
@click.option("--align-corners", is_flag=True, help="Keep the first and last samples' centres where they are.")
@click.option("--axes", type=AXES, metavar="0,1,2", help="Axes to resample; others are batch or channel axes.")
@click.option("--dtype", help="Type of the result; the source's by default.")
@click.option("--chunks", type=SIZES, metavar="128,128,128", help="Chunks of the target; the source's by default.")
@click.option("--shards", type=SIZES, metavar="512,512,512", help="Shards of the target; the source's by default.")
@click.option("--memory-limit", metavar="2GiB", help="For all tasks together; 256 MiB per thread by default.")
@click.option("--threads", type=click.IntRange(min=1), help="Concurrent tasks; all usable cores by default.")
@click.option("--scheduler", metavar="tcp://...", help="Run on the dask cluster with this scheduler.")
@click.option("--resume", is_flag=True, help="Go on from an unfinished run at TARGET.")
@click.option("--overwrite", is_flag=True, help="Replace what is at TARGET.")
@which_array
@click.option("--dry-run", is_flag=True, help="Print the plan; write nothing.")
@click.option("--quiet", is_flag=True, help="No progress, no summary.")
def resample(
    source: str, target: str, threads: int | None, scheduler: str | None, dry_run: bool, quiet: bool, **options: Any
) -> None:
    """Resample the array at SOURCE into a new one at TARGET.

    SOURCE is a path or URL of a Zarr array or OME-Zarr image, or a TIFF, SVS, NIfTI or .npy file. TARGET becomes a Zarr
    array, or an OME-Zarr image where SOURCE says enough for one; a name that ends in .png or .tif makes a picture.
    """
    given = [name for name in ("shape", "factor", "spacing") if options[name] is not None]
    if len(given) != 1:
        raise click.UsageError(f"give exactly one of --shape, --factor and --spacing; got {', '.join(given) or 'none'}")
    from vrdask.executors.zarr_to_zarr import prepare

    with cluster(scheduler):
        job = prepare(source, target, num_threads=threads, **options)
        if dry_run:
            from vrdask.show import describe_job

            click.echo(describe_job(job))
            return
        result = job.run(progress=not quiet)
        if not quiet:
            click.echo(f"{target}: {'x'.join(map(str, result.shape))} {result.dtype}")


def cluster(scheduler: str | None) -> AbstractContextManager[Any]:
    """The dask client of a scheduler, or nothing."""
    if scheduler is None:
        return nullcontext()
    try:
        from distributed import Client
    except ImportError:
        raise click.ClickException(
            "--scheduler needs the package distributed: pip install 'vrdask[distributed]'"
        ) from None
    client: AbstractContextManager[Any] = Client(scheduler)
    return client


@main.command()
@click.argument("source")
@which_array
def info(source: str, **which: Any) -> None:
    """Print shape, axes, dtype, chunks, levels and pixel size of the array at SOURCE."""
    from vrdask.show import describe_source
    from vrdask.sources import open_source

    for name, value in describe_source(open_source(source, **which)):
        click.echo(f"{name:<16}{value}")


@main.command()
@click.option(
    "--size", type=click.IntRange(min=16), default=560, show_default=True, help="Side of the volume in voxels."
)
@click.option("--mode", type=click.Choice(MODES), default="cubic", show_default=True)
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
    from vrdask.demo import run_demo

    say: Callable[[str], None] = click.echo
    check = run_demo(folder, size, mode, quiet, say)
    sys.exit(1 if check.differing else 0)


import vrdask.cli_affine  # noqa: E402, F401 (adds its command)
