"""Where a pyramid is to be written: a new OME-Zarr image, or more levels of one that is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vrdask.boxes import ceil_div
from vrdask.images.image import Image
from vrdask.images.ome_zarr import VERSIONS, group_attributes, read_multiscale
from vrdask.images.orientation import lost
from vrdask.images.pyramid_metadata import (
    IMAGE_LABEL,
    attributes_with_levels,
    images_of_levels,
    level_paths,
    needs_windows,
    with_windows,
)
from vrdask.runs import record
from vrdask.runs.standing import Kind, Standing
from vrdask.sources import Source
from vrdask.sources.zarr_above import group_of_level
from vrdask.storage import compressors as codecs
from vrdask.storage import objects, zarr_internals
from vrdask.storage.blank import blank_array
from vrdask.storage.kinds import is_array, is_group
from vrdask.storage.layout import Layout
from vrdask.storage.open_place import store_path
from vrdask.storage.places import Folder
from vrdask.targets import format_of
from vrdask.targets.made import made_from, without_digests
from vrdask.targets.pyramid import PyramidTarget, attributes_at, clear_levels, range_of_type
from vrdask.targets.zarr import kept_beside
from vrdask.transforms.pyramid import Pyramid

if TYPE_CHECKING:
    import zarr
    from zarr.storage import StorePath

Sizes = Sequence[int] | None


def _group_of(source: Source) -> StorePath | None:
    """The group of which a source is a whole level; None for another kind of source."""
    if not is_array(source.array) or source.image is None or not source.image.path:
        return None
    found = group_of_level(source.array.store_path, source.image.path)
    assert not isinstance(found, Folder)
    return found


def new_target(
    place: Any, layout: Layout, images: Sequence[Image], what: Pyramid, chunks: Sizes, shards: Sizes, compressors: Any,
    version: str, about: Mapping[str, Any],
) -> PyramidTarget:  # fmt: skip
    """A new image. images : of its levels. about : how they are made.

    Raises
    ------
    ValueError
        It cannot be made as asked for.
    """
    if is_array(place) or is_group(place):
        raise TypeError(f"target must be a place; got a {type(place).__name__}: in_place adds levels to an image")
    if version not in VERSIONS:
        raise ValueError(f"ome_zarr_version must be one of {', '.join(VERSIONS)}; got {version!r}")
    if format_of(place).name != "Zarr":
        raise ValueError(
            f"target must have no suffix or end in .zarr, .tif or .tiff; got {place}: a pyramid is written as OME-Zarr "
            "or TIFF"
        )
    if version == "0.4" and shards is not None:
        raise ValueError(f"shards must be None for OME-Zarr 0.4, which is Zarr 2; got {tuple(shards)}")
    root, zarr_format = store_path(place, "a"), 2 if version == "0.4" else 3
    usual = None if chunks is not None or zarr_format == 2 else layout.shards
    form = _Form(
        zarr_format, chunks or layout.chunks, shards if shards is not None else usual,
        codecs.compressors(compressors, layout.compressors if zarr_format == 3 else "auto"), layout.fill_value,
        images[0].axis_names,
    )  # fmt: skip
    paths = tuple(image.path for image in images)
    levels = tuple(
        form.array(shape, what, root / path, kept_beside(layout, image))
        for image, shape, path in zip(images, what.shapes, paths, strict=True)
    )
    made = PyramidTarget(levels[0], root, None, levels, paths, told=lost(images[0]))
    omero = images[0].extra.get("omero")

    def attributes(windows: Sequence[tuple[float, float]]) -> dict[str, Any]:
        return group_attributes(_seen(images, windows, omero, what), version, type=what.mode, metadata=dict(about))

    return _with_windows(made, images[0], omero, attributes)


class _Form:
    """How the arrays of a pyramid are stored."""

    def __init__(
        self, zarr_format: int, chunks: Sequence[int], shards: Sizes, compressors: Any, fill_value: Any,
        names: Sequence[str],
    ) -> None:  # fmt: skip
        self.zarr_format, self.chunks, self.shards, self.names = zarr_format, chunks, shards, tuple(names)
        self.compressors = codecs.of_zarr_2(compressors) if zarr_format == 2 else compressors
        self.fill_value = fill_value

    def array(
        self, shape: Sequence[int], what: Pyramid, at: StorePath, attributes: Mapping[str, Any]
    ) -> zarr.Array[Any]:
        """The array of a level, of which nothing is stored yet; chunks and shards are no larger than it."""
        chunk = tuple(max(1, min(c, n)) for c, n in zip(self.chunks, shape, strict=True))
        more: dict[str, Any] = {"zarr_format": self.zarr_format}
        if self.shards is not None:
            for axis, (s, c) in enumerate(zip(self.shards, self.chunks, strict=True)):
                if s < 1 or s % c:
                    raise ValueError(f"chunks must divide shards; got chunks of {c} and shards of {s} for axis {axis}")
            sizes = zip(self.shards, chunk, shape, strict=True)
            more["shards"] = tuple(c * ceil_div(min(s, max(n, 1)), c) for s, c, n in sizes)
        if self.zarr_format == 3:
            more["dimension_names"] = self.names
        else:
            more["chunk_key_encoding"] = {"name": "v2", "separator": "/"}
        return blank_array(
            at, shape=tuple(shape), dtype=what.dtype, chunks=chunk, compressors=self.compressors,
            fill_value=self.fill_value, attributes=dict(attributes), **more,
        )  # fmt: skip


def in_place_target(
    source: Source, images: Sequence[Image], what: Pyramid, version: str, compressors: Any, about: Mapping[str, Any]
) -> tuple[PyramidTarget, Any, dict[str, Any]]:  # fmt: skip
    """More levels of the image that a source is; its place; and what stands there, and how it is cleared away.

    Raises
    ------
    ValueError
        The source is no OME-Zarr image, its metadata are not as they should be, or it is read-only.
    """
    array, image, group = source.array, source.image, _group_of(source)
    if group is None or not is_array(array) or image is None:
        raise ValueError(
            f"in_place must be an OME-Zarr image, to which levels are added; got {source.place}: give a target"
        )
    root, place = _writable(group), objects.url(group)
    given, zarr_format = attributes_at(root), array.metadata.zarr_format
    ours = _version_of(given, zarr_format, place)
    if version != "0.5" and version != ours:
        raise ValueError(f"ome_zarr_version must be that of the image in place, {ours}; got {version}")
    multiscale = given.get("ome", given)["multiscales"][0]
    if multiscale["datasets"][0]["path"] != image.path:
        raise ValueError(f"in_place must be given the image, whose full level is read; got its level {image.path}")
    listed = [one["path"] for one in multiscale["datasets"][1:]]
    paths = level_paths(image.path, what.levels)
    alone = read_multiscale(_without_common(given))  # a transformation of all levels stays as it is
    assert alone is not None
    products = [what.product(level) for level in range(1, what.levels + 1)]
    shown = images_of_levels(alone, products, what.starts_at_first, paths)
    own = array.compressors if zarr_format == 3 else (array.compressors or None)
    form = _Form(
        zarr_format, array.chunks, array.shards, codecs.compressors(compressors, own), array.fill_value,
        image.axis_names,
    )  # fmt: skip
    levels = [zarr_internals.array_at(array.metadata, root / image.path)]
    levels += [
        form.array(shape, what, root / path, kept_beside(source.layout, one))
        for one, shape, path in zip(images[1:], what.shapes[1:], paths, strict=True)
    ]
    made = PyramidTarget(levels[0], root, None, tuple(levels), (image.path, *paths), 1, told=lost(image))
    without = without_digests(given)

    def attributes(windows: Sequence[tuple[float, float]]) -> dict[str, Any]:
        return attributes_with_levels(without, shown, what.mode, about)

    def stands() -> Standing:
        begun, is_clearing = record.unfinished(root), record.is_clearing(root)
        made_of = made_from(root)
        now = attributes_at(root)
        more = [one["path"] for one in now.get("ome", now)["multiscales"][0]["datasets"][1:]]
        if begun is not None and (not more or is_clearing):
            return Standing(Kind.UNFINISHED, begun)
        there = [path for path in paths if objects.holds_but(root / path, "")]
        return Standing(Kind.ZARR if more or there else Kind.NOTHING, None, made_of)

    def clear() -> None:
        clear_levels(root, zarr_format, attributes_with_levels(without, [], None, None), {*listed, *paths})

    return (
        replace(made, attributes=attributes),
        f"levels {', '.join(paths)} of {place}",
        {"stands": stands, "clear": clear},
    )


def _without_common(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes without the transformation that is said of all levels."""
    ome = dict(attributes.get("ome", attributes))
    first = {key: value for key, value in ome["multiscales"][0].items() if key != "coordinateTransformations"}
    return {"ome": {**ome, "multiscales": [first]}}


def _version_of(attributes: Mapping[str, Any], zarr_format: int, place: str) -> str:
    """The version that an image in place says, which must be one that its store has."""
    ome = attributes.get("ome")
    version = str(ome.get("version", "0.5")) if isinstance(ome, Mapping) else "0.4"
    if isinstance(ome, Mapping) != (zarr_format == 3):
        raise ValueError(
            f"an OME-Zarr image in place must be 0.5 in Zarr 3, or 0.4 in Zarr 2; got {version} in Zarr {zarr_format} "
            f"at {place}: give a target"
        )
    if version not in VERSIONS:
        raise ValueError(f"an OME-Zarr image in place must be of version 0.4 or 0.5; got {version} at {place}")
    return version


def _writable(at: StorePath) -> StorePath:
    from zarr.storage import StorePath

    store = at.store
    if store.read_only:
        store = store.with_read_only(False)
    return StorePath(store, at.path)


def _seen(images: Sequence[Image], windows: Sequence[tuple[float, float]], omero: Any, what: Pyramid) -> list[Image]:
    """The images, the first with what is said of channels."""
    extra = dict(images[0].extra)
    if windows:
        extra["omero"] = with_windows(omero, windows, range_of_type(what.dtype, windows))
    return [replace(images[0], extra=extra), *images[1:]]


def _with_windows(
    made: PyramidTarget, image: Image, omero: Any, attributes: Callable[[Sequence[tuple[float, float]]], dict[str, Any]]
) -> PyramidTarget:
    """A target that looks for the ranges of its channels where nobody says them."""
    kinds = [axis.get("type") for axis in image.axes]
    axis = kinds.index("channel") if "channel" in kinds else None
    count = 1 if axis is None else made.levels[0].shape[axis]
    wants = IMAGE_LABEL not in image.extra and made.array.dtype.kind in "biuf" and needs_windows(omero, count)
    return replace(made, attributes=attributes, channel_axis=axis, wants_windows=wants)
