"""What `vrdask info` and `--dry-run` print."""

from __future__ import annotations

from typing import Any

from vrdask.executors.zarr_to_zarr import Job
from vrdask.plan import format_bytes
from vrdask.sources import Source


def describe_source(source: Source) -> list[tuple[str, str]]:
    """Name and value, a line each."""
    array = source.array
    compressors = ", ".join(map(_codec, array.compressors)) or "none"
    rows = [
        ("shape", "x".join(map(str, array.shape)) or "()"),
        ("dtype", str(array.dtype)),
        ("size", format_bytes(array.nbytes)),
        ("chunks", "x".join(map(str, array.chunks))),
        ("shards", "none" if array.shards is None else "x".join(map(str, array.shards))),
        ("compressors", compressors),
        ("zarr format", str(array.metadata.zarr_format)),
    ]
    image = source.image
    if image is not None:
        units = [axis.get("unit", "") for axis in image.axes]
        rows += [
            ("OME-Zarr level", image.path),
            ("axes", ", ".join(image.axis_names)),
            ("spacing", ", ".join(f"{s:g} {unit}".strip() for s, unit in zip(image.scale, units, strict=True))),
            ("origin", ", ".join(f"{t:g} {unit}".strip() for t, unit in zip(image.translation, units, strict=True))),
        ]
    elif any(names := getattr(array.metadata, "dimension_names", None) or ()):
        rows.append(("axes", ", ".join(str(name) for name in names)))
    return rows


def _codec(codec: Any) -> str:
    return type(codec).__name__.removesuffix("Codec")


def describe_job(job: Job) -> str:
    """The plan of a run, with what it costs."""
    target = job.target.array
    shards = "" if target.shards is None else f", shards {'x'.join(map(str, target.shards))}"
    lines = [
        str(job.plan),
        f"{'target':<20}chunks {'x'.join(map(str, target.chunks))}{shards}",
        f"{'concurrent tasks':<20}{job.blocks.concurrent}, one kernel thread each",
        f"{'peak bytes':<20}{format_bytes(job.blocks.peak_bytes)} in all, codecs included",
    ]
    return "\n".join(lines)
