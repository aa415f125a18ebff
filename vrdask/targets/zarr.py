"""Zarr targets: a new array or OME-Zarr image of one level, or an array that is there already."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vrdask.boxes import ceil_div
from vrdask.dtypes import DType, native, plain
from vrdask.images.axes import ATTRIBUTE, GEOMETRY, attributes_of, is_group, may_be_ome_zarr, reordered_image
from vrdask.images.image import Image
from vrdask.images.nifti_fields import fields_of, with_fields
from vrdask.images.orientation import beside
from vrdask.images.pyramid_metadata import order_for_ome_zarr
from vrdask.storage import compressors as codecs
from vrdask.storage.blank import blank_array
from vrdask.storage.layout import Layout
from vrdask.storage.open_place import store_path
from vrdask.targets.coordinates import others, stored_coordinates
from vrdask.targets.made import without_digests
from vrdask.targets.reordered import ReorderedTarget, turned
from vrdask.targets.target import Form, Request, Target, TargetFormat

if TYPE_CHECKING:
    import zarr

VARIABLE = "data"
"""What an array without a name is called beside its coordinates."""
KINDS = ("time", "channel", "space")
"""Of axes that OME-Zarr puts in an order."""


def new_target(
    place: Any, image: Image | None, name: str = "", beside: Mapping[str, bytes] | None = None, **array_arguments: Any
) -> Target:
    """A target at a place that is free, or will be by the time it is written; writes nothing.

    name, beside : of an array in a group that is no image, and what lies beside it (see `coordinates`).
    array_arguments : of `zarr.create_array`.
    """
    root = store_path(place, "a")
    at = root / (name if image is None else image.path)
    return Target(blank_array(at, **{"zarr_format": 3, **array_arguments}), root, image, beside=beside)


def existing_target(array: zarr.Array[Any], form: Form, request: Request) -> Target:
    """An array that is there already, to be written into as it is."""
    if request.resume:
        raise ValueError("resume must be False when the target is an array; give the place of a target instead")
    if array.read_only:
        raise ValueError(f"target must be writable; got {array.store_path}, which is read-only")
    if array.shape != form.out_shape or native(array.dtype) != form.out_dtype:
        raise ValueError(
            f"a target array must have shape {form.out_shape} and dtype {form.out_dtype}; "
            f"got {array.shape} and {array.dtype}"
        )
    if request.chunks is not None or request.shards is not None:
        raise ValueError(
            f"chunks and shards must be None when the target is an array, which has its own; "
            f"got {request.chunks} and {request.shards}"
        )
    return Target(array, None, None)


def open_zarr_target(place: Any, layout: Layout, image: Image | None, form: Form, request: Request) -> Target:
    """A result's new array; an OME-Zarr image where enough is known of its axes."""
    if request.ome_zarr_version == "0.4" and request.shards is not None:
        raise ValueError(f"shards must be None for OME-Zarr 0.4, which is Zarr 2; got {request.shards}")
    order = None if request.keep_order else _order(image)
    if order is not None:
        layout, image, form, request = _turned(layout, image, form, request, order)
    arguments = array_arguments(layout, image, form, request.chunks, request.shards, request.compressors)
    arguments = _of_zarr_2(arguments) if request.ome_zarr_version == "0.4" else arguments
    is_image = image is not None and is_group(image)
    name, beside = "", None
    if (coordinates := layout.coordinates) is not None:
        beside = stored_coordinates(coordinates, arguments["zarr_format"])
        name = _variable_name(image, beside)
        if more := others(coordinates):
            arguments["attributes"] = {**arguments["attributes"], "coordinates": more}
    image = replace(image, path="0") if image is not None and is_image else None
    made = new_target(place, image, name, beside, **arguments)
    return made if order is None else ReorderedTarget(made.array, made.root, made.image, order, beside=beside)


def _variable_name(image: Image | None, beside: Mapping[str, bytes]) -> str:
    """What an array is called beside its coordinates."""
    name = "" if image is None or image.name is None else image.name
    taken = {key.partition("/")[0] for key in beside}
    return name if re.fullmatch(r"\w[\w .+-]*", name) and name not in taken and not name.startswith("__") else VARIABLE


def _order(image: Image | None) -> tuple[int, ...] | None:
    """The order of axes that makes an image of a result; None where it is one, or is none in any order."""
    order = order_for_ome_zarr(image)
    if image is None or order is None or any(axis.get("type", "other") not in KINDS for axis in image.axes):
        return None
    return order if may_be_ome_zarr(reordered_image(image, order)) else None


def _turned(
    layout: Layout, image: Image | None, form: Form, request: Request, order: tuple[int, ...]
) -> tuple[Layout, Image, Form, Request]:
    """The same with axes in another order."""
    assert image is not None
    layout = replace(
        layout,
        chunks=turned(layout.chunks, order),
        shards=layout.shards and turned(layout.shards, order),
        dimension_names=layout.dimension_names and turned(layout.dimension_names, order),
    )
    request = replace(
        request,
        chunks=turned(request.chunks, order) if isinstance(request.chunks, Sequence) else request.chunks,
        shards=turned(request.shards, order) if isinstance(request.shards, Sequence) else request.shards,
    )
    form = _Form(form.in_dtype, form.out_dtype, turned(form.out_shape, order))
    return layout, replace(reordered_image(image, order), path="0"), form, request


@dataclass(frozen=True)
class _Form:
    in_dtype: DType
    out_dtype: DType
    out_shape: tuple[int, ...]


def _of_zarr_2(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments for an array as OME-Zarr 0.4 has it: Zarr 2, whose axes are named in an attribute that xarray reads."""
    names = arguments["dimension_names"]
    named = {"_ARRAY_DIMENSIONS": list(names)} if names and all(names) else {}
    return {
        **arguments,
        "zarr_format": 2,
        "shards": None,
        "compressors": codecs.of_zarr_2(arguments["compressors"]),
        "dimension_names": None,
        "attributes": {**arguments["attributes"], **named},
        "chunk_key_encoding": {"name": "v2", "separator": "/"},
    }


def array_arguments(
    layout: Layout,
    image: Image | None,
    form: Form,
    chunks: Sequence[int] | int | None,
    shards: Sequence[int] | int | None,
    compressors: Any,
) -> dict[str, Any]:
    """Arguments of `zarr.create_array` for a result: as its source is stored where nothing else is asked for."""
    ndim = len(form.out_shape)
    chunk = _per_axis("chunks", chunks, ndim) or layout.chunks
    chunk = tuple(max(1, min(c, n)) for c, n in zip(chunk, form.out_shape, strict=True))
    shard = _per_axis("shards", shards, ndim)
    if shard is None and chunks is None and layout.shards is not None:
        shard = tuple(c * ceil_div(min(s, n), c) for s, c, n in zip(layout.shards, chunk, form.out_shape, strict=True))
    if shard is not None:
        for axis, (s, c) in enumerate(zip(shard, chunk, strict=True)):
            if s % c:
                raise ValueError(f"chunks must divide shards; got chunks of {c} and shards of {s} for axis {axis}")
    return {
        "zarr_format": 3,
        "shape": form.out_shape,
        "dtype": plain(form.out_dtype.newbyteorder("=")),
        "chunks": chunk,
        "shards": shard,
        "compressors": codecs.compressors(compressors, layout.compressors),
        "fill_value": layout.fill_value if form.out_dtype == form.in_dtype else 0,
        "dimension_names": image.axis_names if image is not None else layout.dimension_names,
        "attributes": _attributes(layout, image),
    }


def kept_beside(layout: Layout, image: Image) -> dict[str, Any]:
    """Attributes of a level's array: what the axes of OME-Zarr cannot say of its place, and NIfTI's fields."""
    return with_fields({ATTRIBUTE: said} if (said := beside(image)) else {}, fields_of(layout.attributes))


def _attributes(layout: Layout, image: Image | None) -> dict[str, Any]:
    """The source's attributes, with the result's geometry in place of the source's."""
    found = without_digests(layout.attributes)
    said = found.pop(ATTRIBUTE, {})
    rest = {key: value for key, value in said.items() if key not in GEOMETRY} if isinstance(said, Mapping) else {}
    axes = attributes_of(image)[ATTRIBUTE] if image is not None and not is_group(image) else {}
    if said := {**rest, **axes, **beside(image)}:
        found[ATTRIBUTE] = said
    return found


def _per_axis(name: str, sizes: Sequence[int] | int | None, ndim: int) -> tuple[int, ...] | None:
    if sizes is None:
        return None
    try:
        given = tuple(map(operator.index, sizes)) if isinstance(sizes, Iterable) else (operator.index(sizes),) * ndim
    except TypeError:
        raise TypeError(f"{name} must be integers; got {sizes!r}") from None
    if len(given) != ndim:
        raise ValueError(f"{name} must have one size per axis; got {len(given)} for {ndim} axes")
    if min(given, default=1) < 1:
        raise ValueError(f"{name} must be positive integers; got {given}")
    return given


FORMAT = TargetFormat("Zarr", ("", ".zarr"), open_zarr_target)
