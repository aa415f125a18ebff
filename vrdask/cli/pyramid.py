"""The command `vrdask pyramid`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from vrdask.cli.main import MODES, main
from vrdask.cli.options import SIZES, Names, about, cluster, how_run, which_array

if TYPE_CHECKING:
    from vrdask.runs.pyramid_job import PyramidJob
    from vrdask.sources import Source

BLOCK_MODES = ["mean", "majority", "median", "min", "max", "stride"]
"""The names in `vrdask.transforms.blocks`, which imports numpy."""


class _Factors(click.ParamType):  # type: ignore[type-arg]
    """A number, numbers by axis, numbers in the order of the axes of space, or auto."""

    name = "z=1,y=2,x=2"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str) or value == "auto":
            return value
        try:
            if "=" in value:
                pairs = [part.split("=") for part in value.split(",")]
                found = {name.strip(): _number(text) for name, text in pairs}
                if len(found) < len(pairs):
                    raise ValueError
                return found
            numbers = tuple(map(_number, value.split(",")))
        except ValueError:
            self.fail(f"must be a number, numbers such as z=1,y=2,x=2 or 1,2,2, or auto; got {value!r}", param, ctx)
        return numbers[0] if len(numbers) == 1 else numbers


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        number = float(text)
        if not math.isfinite(number):
            raise
        return number


@main.command()
@click.argument("source")
@click.argument("target", required=False)
@click.option("--in-place", is_flag=True, help="Add the levels to the OME-Zarr image at SOURCE; no TARGET then.")
@click.option(
    "--factors", type=_Factors(), multiple=True, metavar="z=1,y=2,x=2",
    help="Of each level over the one before: a number for all axes of space, 2 by default; numbers by axis, or in the "
         "order of the axes of space; or auto. Given several times, once for each level.",
)  # fmt: skip
@click.option("--levels", type=click.IntRange(min=0), help="Below the full one; until one fits a chunk by default.")
@click.option(
    "--mode", type=click.Choice([*BLOCK_MODES, *MODES]), help="mean by default, majority for labels.",
)  # fmt: skip
@click.option("--axes", type=Names(), metavar="z,y,x", help="That a single factor is for; those of space by default.")
@click.option(
    "--chunks", type=SIZES, metavar="128,128,128",
    help="Chunks of the target, the source's by default; of a TIFF its tiles.",
)  # fmt: skip
@click.option("--shards", type=SIZES, metavar="512,512,512", help="Shards of the target; the source's by default.")
@click.option(
    "--compressor", "compressors", default="auto", metavar="zstd:5",
    help="zstd, blosc, gzip or lz4, with a level or without; or none; the source's by default. Of a TIFF deflate, its "
         "default, zstd, jpeg or none.",
)  # fmt: skip
@click.option(
    "--ome-version", "ome_zarr_version", type=click.Choice(["0.4", "0.5"]), default="0.5", show_default=True,
    help="0.4 is Zarr 2.",
)  # fmt: skip
@click.option(
    "--labels/--no-labels", "with_labels", default=True, help="Whether label images beside SOURCE come along."
)
@click.option("--force", is_flag=True, help="Let labels be mixed.")
@how_run
@which_array
def pyramid(
    source: str, target: str | None, factors: tuple[Any, ...], threads: int | None, workers: int | None,
    scheduler: str | None, dry_run: bool, quiet: bool, no_sync: bool, **options: Any,
) -> None:  # fmt: skip
    """Write the array at SOURCE as an OME-Zarr image with smaller and smaller levels, all of one read, to TARGET.

    TARGET may end in .ome.tif, for an OME-TIFF, or in .tif, for a tiled TIFF of rows, columns and colours. SOURCE may
    be what `vrdask resample` takes. The mean of integers, min, max and stride of every level are those of the full one,
    rounded once.
    """
    if (target is None) != options["in_place"]:
        raise click.UsageError(f"give exactly one of TARGET and --in-place; got {'both' if target else 'neither'}")
    from vrdask.api.write_pyramid import prepare
    from vrdask.cli.running import open_chosen, without_sync

    with cluster(scheduler, workers, threads), about(source, target or source):
        opened = open_chosen(source, options)
        steps = [_by_name(one, opened) for one in factors]
        chosen: dict[str, Any] = {} if not steps else {"factors": steps[0] if len(steps) == 1 else steps}
        job = prepare(opened, target, num_threads=threads, progress=not quiet, **chosen, **options)
        if dry_run:
            click.echo(described(job))
            return
        (without_sync(job) if no_sync else job).run()
        if not quiet:
            shapes = ", ".join("x".join(map(str, shape)) for shape in job.pyramid.shapes)
            click.echo(f"{target or source}: {shapes} {job.pyramid.dtype}")


def _by_name(given: Any, source: Source) -> Any:
    """Factors in the order of the axes of space, by these axes' names."""
    from vrdask.images.pyramid_metadata import image_for_ome_zarr, order_for_ome_zarr

    if not isinstance(given, tuple):
        return given
    image = source.image
    if order_for_ome_zarr(image) is None:
        image = image_for_ome_zarr(image, source.layout.dimension_names, len(source.array.shape))
    assert image is not None
    names = [image.axis_names[axis] for axis in image.space_axes]
    if len(given) != len(names):
        raise click.BadParameter(f"must be one, or one per axis of space, {', '.join(names)}", param_hint="--factors")
    return dict(zip(names, given, strict=True))


def described(job: PyramidJob) -> str:
    """The levels of a pyramid, and how they are made."""
    from vrdask.runs.cluster import active_client
    from vrdask.text import by_axis, counted, format_bytes

    rows: list[tuple[str, str]] = []
    for path, array, image in zip(job.target.paths, job.target.levels, job.images, strict=True):
        spacing = ", ".join(
            f"{name} {scale:g} {axis.get('unit', '')}".strip() if math.isfinite(scale) else f"{name} unknown"
            for name, scale, axis in zip(image.axis_names, image.scale, image.axes, strict=True)
            if axis.get("type") == "space"
        )
        size = format_bytes(array.nbytes)
        rows.append((f"level {path}", f"{by_axis(array.shape)} {array.dtype}, {size}; {spacing}; "
                     f"{job.target.stored_as(array)}"))  # fmt: skip
    client = None if job.target.is_local else active_client()
    workers = {} if client is None else client.nthreads()
    where = counted(job.plan.concurrent, "thread") if client is None else (
        f"{sum(workers.values())} threads on {counted(len(workers), 'worker')}"
    )  # fmt: skip
    lines = [f"{name:<20}{value}" for name, value in [*rows, ("mode", job.pyramid.mode)]]
    lines += [*str(job.plan).splitlines(), f"{'concurrent':<20}{where}"]
    for name, one in job.labels:
        lines += [f"{'labels':<20}{name}", *(f"  {line}" for line in described(one).splitlines())]
    return "\n".join(lines)
