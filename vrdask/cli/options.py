"""What the commands share: kinds of values, options, and the cluster that a run is on."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import click


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


class _PerAxis(click.ParamType):  # type: ignore[type-arg]
    """Values by axis: one, several with commas between them, or by the axes' names."""

    def __init__(self, kind: str, one: Callable[[str], Any], several: str, by_name: str) -> None:
        self.kind, self.one, self.name, self.by_name = kind, one, several, by_name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from vrdask.images.asked import per_axis

        if not isinstance(value, str):
            return value
        try:
            given = per_axis(param.name if param and param.name else "value", value)
            if isinstance(given, dict):
                return {axis: self.one(text) for axis, text in given.items()}
            return [self.one(text) for text in given] if isinstance(given, list) else self.one(given)
        except ValueError as error:
            said = f"{error}: " if " must " in str(error) else ""
            self.fail(
                f"{said}must be {self.kind} with commas between them, such as {self.name}, or by name, such as "
                f"{self.by_name}; got {value!r}", param, ctx,
            )  # fmt: skip


def _number(text: str) -> Fraction:
    from vrdask.images.units import quantity

    number, unit = quantity(text) or (None, None)
    if number is None or unit is not None:
        raise ValueError(text)
    return number


def _quantity(text: str) -> str:
    from vrdask.images.units import quantity

    if quantity(text) is None:
        raise ValueError(text)
    return text


BY_AXIS = _PerAxis("numbers", int, "256,512,512", "y=512,x=512")
FACTORS = _PerAxis("numbers", _number, "1,0.5,0.5", "z=1,y=0.5")
LENGTHS = _PerAxis("numbers, with units or without,", _quantity, "1.5mm,1mm,1mm", "z=2um,y=0.5um")


class Names(click.ParamType):  # type: ignore[type-arg]
    """Names or numbers of axes, with commas between them."""

    name = "z,y,x"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        parts = [part.strip() for part in value.split(",")]
        if not all(parts):
            self.fail(f"must be names or numbers with commas between them, such as {self.name}; got {value!r}", param)
        return tuple(parts)


class Series(click.ParamType):  # type: ignore[type-arg]
    """The number of an image or series, or a UID of DICOM."""

    name = "number or UID"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str) or ("." in value and not value.strip("0123456789.")):
            return value
        if not value.isdecimal():
            self.fail(f"must be a number from 0, or a UID; got {value!r}", param, ctx)
        return int(value)


class Modes(click.Choice):  # type: ignore[type-arg, unused-ignore]
    """Names of modes; what other libraries call them is understood. sampling : of positions, rather than of sizes."""

    def __init__(self, modes: list[str], sampling: bool = False) -> None:
        super().__init__(modes)
        self._sampling = sampling

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            from vrdask.transforms.hints import did_you_mean

            hint = did_you_mean(value, self._sampling)
            self.fail(error.message.rstrip(".") + hint if hint else error.message, param, ctx)


class ByAxis(Modes):
    """One of some words for all axes, or one for each, by name."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str) or not {",", "="} & {*value}:
            return super().convert(value, param, ctx)
        from vrdask.images.asked import per_axis

        try:
            given = per_axis(param.name if param and param.name else "value", value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        convert = super().convert
        if isinstance(given, dict):
            return {axis: convert(word, param, ctx) for axis, word in given.items()}
        return [convert(word, param, ctx) for word in given]


class OneOfEach(click.Command):
    """A command that takes each of its options once: of two values one would be ignored."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        _, _, order = self.make_parser(ctx).parse_args(list(args))
        for param in order:
            single = isinstance(param, click.Option) and not (param.is_flag or param.multiple or param.count)
            if single and order.count(param) > 1:
                raise click.UsageError(f"{param.opts[0]} must be given once; got it {order.count(param)} times", ctx)
        return super().parse_args(ctx, args)


SIZES = _Numbers(int, "256,512,512")
RATIOS = _Numbers(float, "0.5,1,1")

Options = Callable[[Callable[..., Any]], Callable[..., Any]]


def _together(*options: Options) -> Options:
    """Several options as one decorator, in the order in which the help lists them."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


which_array = _together(
    click.option(
        "--level", type=click.IntRange(min=0),
        help="Level of a pyramid; the full size by default, for pictures the nearest larger one.",
    ),
    click.option(
        "--series", type=Series(), default=0, metavar="NUMBER|UID",
        help="Image of a TIFF, the first (0) by default; of DICOM series in a folder, one from 1, or by its UID.",
    ),
    click.option("--channel", type=click.IntRange(min=0), help="Only this channel or colour."),
    click.option(
        "--region", metavar="z=0:100,y=50:900",
        help="Only these samples of the level; no others are read. With fractions (resample): Pillow's box.",
    ),
    click.option(
        "--pixel-size", type=LENGTHS, metavar="z=2um,y=0.5um,x=0.5um",
        help="Distance between samples, where SOURCE does not say it, or says it wrong.",
    ),
    click.option("--coordinate-system", metavar="NAME", help="Of an OME-Zarr image that tells of several."),
)  # fmt: skip
"""The options that choose an array of a source."""

how_stored = _together(
    click.option("--dtype", help="Type of the result; the source's by default."),
    click.option(
        "--chunks", type=BY_AXIS, metavar="128,128,128",
        help="Chunks of the target, of the axes of space, of all axes, or by name; else the source's.",
    ),
    click.option("--shards", type=BY_AXIS, metavar="512,512,512", help="Shards of the target, likewise."),
    click.option(
        "--compressor", "compressors", default="auto", metavar="zstd:5",
        help="zstd, blosc, gzip or lz4, with a level or without; or none; the source's by default.",
    ),
)  # fmt: skip
"""The options that say how a target is stored."""

how_written = _together(
    click.option(
        "--ome-version", "ome_zarr_version", type=click.Choice(["0.4", "0.5"]), default="0.5", show_default=True,
        help="Of an OME-Zarr target; 0.4 is Zarr 2.",
    ),
    click.option("--keep-order", is_flag=True, help="Leave the axes in SOURCE's order: colours last."),
    click.option(
        "--window", type=RATIOS, metavar="0,4095", help="Of a picture: the values that become black and white."
    ),
)  # fmt: skip
"""The options that say as what a result is written."""

how_run = _together(
    click.option("--memory-limit", metavar="2GiB", help="For all tasks together; 320 MiB per thread by default."),
    click.option("--threads", type=click.IntRange(min=1), help="Concurrent tasks; as many as usable cores by default."),
    click.option("--workers", type=click.IntRange(min=1), help="Run on this many processes of this machine."),
    click.option("--scheduler", metavar="tcp://...", help="Run on the dask cluster with this scheduler."),
    click.option(
        "--resume", is_flag=True, help="Go on from an unfinished run at TARGET; nothing where it is complete."
    ),
    click.option("--overwrite", is_flag=True, help="Replace Zarr, an unfinished run, NIfTI or a picture at TARGET."),
    click.option("--no-sync", is_flag=True, help="Do not wait for the disk: faster, less safe where power may fail."),
    click.option("--dry-run", is_flag=True, help="Print the plan; write nothing."),
    click.option("--quiet", is_flag=True, help="No progress, no summary."),
)
"""The options that say how a run is done."""


@contextmanager
def warned() -> Iterator[None]:
    """Warnings are told in a line each."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_, **__: click.echo(f"Warning: {message}", err=True)
        yield


@contextmanager
def about(source: str, *others: str) -> Iterator[None]:
    """An error that names neither the source nor another of these places gets a note that names the source."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:
        named = [place if "://" in place else str(Path(place)) for place in (source, *others)]
        if not any(place in str(error) for place in named):
            error.add_note(f"the source is {source}")
        raise


@contextmanager
def cluster(scheduler: str | None, workers: int | None, threads: int | None) -> Iterator[None]:
    """The dask cluster of a run, as the active client: of a scheduler, of local processes, or none."""
    if scheduler is None and workers is None:
        yield
        return
    if scheduler is not None and workers is not None:
        raise click.UsageError("give at most one of --scheduler and --workers; got both")
    option = "--scheduler" if workers is None else "--workers"
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise click.ClickException(
            f"{option} needs the package distributed: pip install 'vrdask[distributed]'"
        ) from None
    if workers is None:
        with Client(scheduler):
            yield
        return
    from vrdask.compute.threads import resolve_tasks
    from vrdask.cores import usable_cores

    each = threads or max(1, usable_cores() // workers)
    resolve_tasks(workers * each)  # tells of more than there are cores
    with (
        LocalCluster(n_workers=workers, threads_per_worker=each, dashboard_address=":0") as local,
        Client(local),
    ):
        yield
