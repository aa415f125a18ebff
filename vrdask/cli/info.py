"""The command `vrdask info`: what a place says of itself, for people and for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from vrdask.cli.main import main
from vrdask.cli.options import about, which_array


@main.command()
@click.argument("source")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs; null for what is not known.")
@which_array
def info(source: str, as_json: bool, **which: Any) -> None:
    """Print shape, type, axes, spacing, levels, channels and labels of the array at SOURCE, or the images it holds."""
    with about(source):
        found, rows = said(source, which) or looked_at(source, which)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for name, value in rows:
        click.echo(f"{name:<16}{value}")


Answer = tuple[dict[str, Any], list[tuple[str, str]]]
"""What is known, as JSON has it, and the same for people."""


def said(source: str, which: Mapping[str, Any]) -> Answer | None:
    """What the metadata of Zarr in a folder here say, read without zarr, which takes longer to import than all else
    that this command does; None where that is not for us to say, or there is something wrong.
    """
    from vrdask.sources import said_source

    try:
        return _answer(lambda: said_source(source, **which))
    except Exception:
        return None


def looked_at(source: str, which: Mapping[str, Any]) -> Answer:
    """What is at a place. which : options that choose an array of it."""
    from vrdask.sources import open_source

    return _answer(lambda: open_source(source, **which))


def _answer(opened: Callable[[], Any]) -> Answer:
    from vrdask.sources.within import ImagesWithinError

    try:
        source = opened()
    except ImagesWithinError as within:
        paths = list(within.places())
        return {"kind": within.kind, "images": paths}, [
            ("kind", within.kind),
            *(("image", path) for path in paths),
        ]
    found = known(source)
    return found, told(source, found)


def known(source: Any) -> dict[str, Any]:
    """What is known of a source, as JSON has it: the same keys for every kind of source."""
    from vrdask.images.colours import channels_of
    from vrdask.sources.above import OmeZarr, labels_beside, ome_zarr_of

    array, image, stored = source.array, source.image, source.stored
    whole = ome_zarr_of(source) or OmeZarr(None, ())
    levels: list[dict[str, Any]] = [
        {"path": one.path, "shape": list(shape), "spacing": _finite(one.scale), "origin": _finite(one.translation)}
        for one, shape in whole.levels
    ]
    return {
        "kind": _kind(source, bool(whole.levels)),
        "details": dict(source.details),
        "shape": list(source.shape),
        "dtype": str(source.dtype),
        "bytes": math.prod(source.shape) * source.dtype.itemsize,
        "chunks": None if array.chunks is None else list(array.chunks),
        "shards": None if stored is None or stored.shards is None else list(stored.shards),
        "compressors": None if stored is None else _compressors(stored),
        "zarr_format": None if stored is None else stored.metadata.zarr_format,
        "ome_zarr_version": whole.version,
        "axes": list(source.axes),
        "types": None if image is None else [axis.get("type") for axis in image.axes],
        "units": list(source.units),
        "spacing": _finite(source.spacing),
        "origin": _finite(source.origin),
        "affine": None if image is None or image.affine is None else [list(row) for row in image.affine],
        "level": image.path if image is not None and whole.levels else None,
        "levels": levels or [{"path": None, "shape": list(shape)} for shape in source.levels],
        "channels": [str(one.get("label") or k) for k, one in enumerate(channels_of(image))],
        "is_labels": image is not None and image.is_labels,
        "labels": list(labels_beside(source)),
    }


def told(source: Any, found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The same for people: name and value, a line each."""
    from vrdask.text import by_axis, format_bytes

    rows = [
        *source.details,
        ("shape", by_axis(source.shape) or "()"),
        ("dtype", found["dtype"]),
        ("size", format_bytes(found["bytes"])),
        ("chunks", "none" if found["chunks"] is None else by_axis(found["chunks"])),
    ]
    if found["zarr_format"] is not None:
        rows += [
            ("shards", "none" if found["shards"] is None else by_axis(found["shards"])),
            ("compressors", ", ".join(found["compressors"]) or "none"),
            ("zarr format", str(found["zarr_format"])),
        ]
        if found["level"] is not None:
            version = f" {found['ome_zarr_version']}" if found["ome_zarr_version"] else ""
            rows.append((f"OME-Zarr{version}", f"level {found['level']}"))
    image = source.image
    if image is not None:
        rows.append(("axes", ", ".join(image.axis_names)))
        if found["zarr_format"] is not None:
            origin = zip(image.axes, image.translation, strict=True)
            rows.append(("spacing", ", ".join(map(_size, image.axes, image.scale))))
            rows.append(("origin", ", ".join(f"{shift:g} {axis.get('unit', '')}".strip() for axis, shift in origin)))
        else:
            sizes = [f"{image.axis_names[k]} {_size(image.axes[k], image.scale[k])}" for k in image.space_axes]
            rows.append(("pixel size", ", ".join(sizes)))
    elif any(source.axes):
        rows.append(("axes", ", ".join(map(str, source.axes))))
    for one in found["levels"] if len(found["levels"]) > 1 and found["zarr_format"] is not None else ():
        spacing = ", ".join("unknown" if size is None else f"{size:g}" for size in one.get("spacing", ()))
        rows.append((f"level {one['path']}", f"{by_axis(one['shape'])}, spacing {spacing}"))
    for name in ("channels", "labels"):
        if found[name]:
            rows.append((name, ", ".join(found[name])))
    if found["is_labels"]:
        rows.append(("samples", "labels, which are not mixed"))
    return rows


def _compressors(stored: Any) -> list[str]:
    from vrdask.cli.codecs import codec_name

    return list(map(codec_name, stored.compressors))


def _kind(source: Any, is_level: bool) -> str:
    if source.stored is None:
        return str(dict(source.details).get("format", "array"))
    return "OME-Zarr image" if is_level else "Zarr array"


def _finite(values: Sequence[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]


def _size(axis: Mapping[str, Any], scale: float) -> str:
    return f"{scale:g} {axis.get('unit', '')}".strip() if math.isfinite(scale) else "unknown"
