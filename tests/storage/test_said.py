"""What metadata say of Zarr without zarr: `vrdask info` prints the same as with it, or leaves it to zarr."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from ome_images import write
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, TransposeCodec, ZstdCodec

import vrdask
import vrdask.sources
from vrdask.cli import info
from vrdask.sources import open_source
from vrdask.storage.said import said_by

ASKED: list[dict[str, Any]] = [{}, {"level": 1}, {"level": 7}, {"channel": 0}, {"channel": 9}, {"region": "x=2:5"},
                               {"region": "q=2:5"}, {"pixel_size": "2um"}, {"coordinate_system": "world"},
                               {"series": 1}]  # fmt: skip
AXES = [
    {"name": "y", "scale": 2.0, "translation": None},
    {"name": "x", "unit": "meter", "scale": 0.5, "translation": 3},
]
ATTRIBUTES = {"vrdask": {"axes": AXES}, "n": [1]}


pytestmark = pytest.mark.filterwarnings("ignore:Consolidated metadata:UserWarning")


@pytest.fixture(autouse=True)
def as_in_a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vrdask.sources, "_has_zarr", lambda: False)
    for name in ("ZARR_CONFIG", "ZARR_CODEC_PIPELINE__PATH"):
        monkeypatch.delenv(name, raising=False)


def array(where: Path, **options: Any) -> Path:
    zarr.create_array(where, **{"shape": (9, 8), "chunks": (4, 3), "dtype": "uint16", **options})
    return where


def edited(where: Path, change: Callable[[dict[str, Any]], object], name: str = "zarr.json") -> Path:
    said = json.loads((where / name).read_text())
    change(said)
    (where / name).write_text(json.dumps(said))
    return where


def without_marks(listed: dict[str, Any]) -> None:
    for one in listed["metadata"].values():
        one.pop("consolidated_metadata", None)


def require_the_same(place: Path | str, is_plain: bool | None = None, asked: Any = ASKED) -> None:
    """is_plain : whether the first question must be answered by what is said, or must not be."""
    for number, which in enumerate(asked):
        said = info.said(str(place), which)
        if not number and is_plain is not None:
            assert (said is not None) == is_plain, place
        if said is not None:  # else zarr is asked, as ever
            found, rows = info.looked_at(str(place), which)
            assert json.dumps(said[0]) == json.dumps(found)
            assert said[1] == rows


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint8", ">i2", "<u2", ">u4", "int64", "uint64", "float16", ">f4", "float64"]
)
def test_of_numbers(tmp_path, zarr_format, dtype):
    for k, shape in enumerate([(9, 8), (), (0, 3), (5,), (2, 3, 4, 5, 6)]):
        for fill in (0, 1):
            place = array(tmp_path / f"{k}{fill}", zarr_format=zarr_format, dtype=dtype, shape=shape,
                          chunks=tuple(max(1, n // 2) for n in shape), fill_value=fill)  # fmt: skip
            require_the_same(place, True, ASKED[:1])


def test_of_floats_that_are_no_numbers(tmp_path):
    for k, fill in enumerate([np.nan, np.inf, -np.inf, -0.0, 1e-40]):
        for zarr_format in (2, 3):
            place = array(tmp_path / f"{k}{zarr_format}", dtype="f4", fill_value=fill, zarr_format=zarr_format)
            require_the_same(place, True, ASKED[:1])


@pytest.mark.parametrize("shards", [None, (8, 6)])
@pytest.mark.parametrize(
    ("codecs", "is_plain"),
    [
        (None, True),
        ("auto", True),
        (ZstdCodec(level=-3, checksum=True), True),
        (GzipCodec(level=9), True),
        (BloscCodec(cname="lz4", clevel=3), True),
        (BloscCodec(cname="blosclz", clevel=0, shuffle="noshuffle", typesize=2), True),
        ([ZstdCodec(level=3), Crc32cCodec()], True),
        (Crc32cCodec(), True),
        ([GzipCodec(), ZstdCodec()], True),
    ],
)
def test_of_codecs(tmp_path, codecs, shards, is_plain):
    place = array(tmp_path / "a", compressors=codecs, shards=shards, dimension_names=["y", None])
    require_the_same(place, is_plain, ASKED[:4])
    require_the_same(array(tmp_path / "t", filters=TransposeCodec(order=(1, 0)), shards=shards), False, ASKED[:1])


@pytest.mark.parametrize(
    ("compressor", "is_plain"),
    [
        (None, True),
        ({"id": "zstd", "level": 3}, True),
        ({"id": "gzip", "level": 1}, True),
        ({"id": "zlib", "level": 1}, True),
        ({"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}, True),
        ({"id": "blosc", "cname": "zstd", "clevel": 5, "shuffle": -1}, True),
        ({"id": "lz4", "acceleration": 1}, False),
        ({"id": "bz2", "level": 1}, False),
        ({"id": "nobody's"}, False),
    ],
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_of_codecs_of_zarr_2(tmp_path, compressor, order, is_plain):
    place = array(tmp_path / "a", zarr_format=2, compressors=None, order=order)
    edited(place, lambda said: said.update(compressor=compressor), ".zarray")
    require_the_same(place, is_plain, ASKED[:1])
    require_the_same(edited(place, lambda said: said.update(filters=[{"id": "delta", "dtype": "<u2"}]), ".zarray"),
                     False, ASKED[:1])  # fmt: skip


ODD: list[Callable[[dict[str, Any]], object]] = [
    lambda said: said.update(shape=[9, -8]),
    lambda said: said.update(shape=[9.0, 8]),
    lambda said: said.update(shape=[True, 8]),
    lambda said: said.update(shape=9),
    lambda said: said.update(shape=[9, 8, 7]),
    lambda said: said.update(data_type="uint12"),
    lambda said: said.update(data_type={"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 1}}),
    lambda said: said.update(data_type="complex64"),
    lambda said: said.update(fill_value=None),
    lambda said: said.update(fill_value=-1),
    lambda said: said.update(fill_value=70_000),
    lambda said: said.update(fill_value="NaN"),
    lambda said: said.update(fill_value=True),
    lambda said: said.pop("fill_value"),
    lambda said: said.update(zarr_format=4),
    lambda said: said.update(zarr_format="3"),
    lambda said: said.update(node_type="thing"),
    lambda said: said.update(extra=1),
    lambda said: said.update(extra={"must_understand": False}),
    lambda said: said.update(attributes=[1]),
    lambda said: said.update(attributes=None),
    lambda said: said.update(dimension_names=["y"]),
    lambda said: said.update(dimension_names=["y", 1]),
    lambda said: said.update(dimension_names=["y", "y"]),
    lambda said: said.update(storage_transformers=[{"name": "x"}]),
    lambda said: said.update(chunk_grid={"name": "rectilinear", "configuration": {"chunk_shapes": [[4, 5], [8]]}}),
    lambda said: said["chunk_grid"]["configuration"].update(chunk_shape=[0, 3]),
    lambda said: said["chunk_grid"]["configuration"].update(chunk_shape=[4]),
    lambda said: said.update(chunk_key_encoding={"name": "default", "configuration": {"separator": "-"}}),
    lambda said: said.update(chunk_key_encoding={"name": "default"}),
    lambda said: said.update(chunk_key_encoding={"name": "v2", "configuration": {"separator": "."}}),
    lambda said: said.update(chunk_key_encoding="default"),
    lambda said: said.update(codecs=[]),
    lambda said: said.update(codecs=["bytes"]),
    lambda said: said.update(codecs=[{"name": "bytes"}]),
    lambda said: said.update(codecs=[{"name": "bytes", "configuration": {"endian": "middle"}}]),
    lambda said: said.update(codecs=[{"name": "bytes", "configuration": {"endian": "big"}}]),
    lambda said: said["codecs"].append({"name": "zstd", "configuration": {"level": 99}}),
    lambda said: said["codecs"].append({"name": "zstd", "configuration": {}}),
    lambda said: said["codecs"].append({"name": "gzip", "configuration": {"level": "5"}}),
    lambda said: said["codecs"].append({"name": "numcodecs.lz4", "configuration": {"acceleration": 1}}),
    lambda said: said["codecs"].append({"name": "nobody's", "configuration": {}}),
    lambda said: said["codecs"].insert(0, {"name": "gzip", "configuration": {"level": 5}}),
    lambda said: said.clear(),
    lambda said: said.update(attributes={"vrdask": {"axes": "yx"}}),
    lambda said: said.update(attributes={"_ARRAY_DIMENSIONS": ["y", "x", "z"]}),
    lambda said: said.update(attributes={"ome": {"multiscales": []}}),
    lambda said: said.update(attributes={"multiscales": [{"datasets": []}]}),
]


@pytest.mark.parametrize("number", range(len(ODD)))
@pytest.mark.parametrize("shards", [None, (8, 6)])
def test_of_what_is_odd_zarr_tells(tmp_path, number, shards):
    """Whatever it is, the command prints what zarr would make of it, or its error."""
    place = edited(array(tmp_path / "a", shards=shards), ODD[number])
    require_the_same(place, asked=ASKED[:2])


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{", '"zarr"', "\xff", '{"zarr_format": 3, "node_type": "group", "x": 1}']
)
@pytest.mark.parametrize("name", ["zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata"])
def test_of_what_is_damaged_zarr_tells(tmp_path, name, text):
    for k, zarr_format in enumerate([3, 2]):
        place = tmp_path / str(k)
        group = zarr.create_group(place, zarr_format=zarr_format)
        group.create_array("0", shape=(4, 4), chunks=(2, 2), dtype="u1")
        for node in (place, place / "0"):
            (node / name).write_bytes(text.encode("latin-1"))
            require_the_same(node, asked=ASKED[:1])


def test_of_attributes_and_names(tmp_path):
    require_the_same(array(tmp_path / "said", attributes=ATTRIBUTES), True)
    require_the_same(array(tmp_path / "said2", attributes=ATTRIBUTES, zarr_format=2), True)
    require_the_same(array(tmp_path / "named", dimension_names=["c", "x"]), True)
    require_the_same(array(tmp_path / "xarray", zarr_format=2, attributes={"_ARRAY_DIMENSIONS": ["y", "x"]}), True)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("is_consolidated", [False, True])
@pytest.mark.parametrize("with_labels", [False, True])
def test_of_images_and_their_levels(tmp_path, zarr_format, is_consolidated, with_labels):
    place = tmp_path / "image.zarr"
    rng = np.random.default_rng(0)
    plain = zarr.create_array({}, data=rng.integers(0, 99, (3, 40, 64), dtype="u1"), chunks=(1, 16, 16),
                              dimension_names=["c", "y", "x"])  # fmt: skip
    version = "0.4" if zarr_format == 2 else "0.5"
    vrdask.write_pyramid(open_source(plain, pixel_size="y=2,x=0.5"), place, ome_zarr_version=version)
    if with_labels:
        inner = place / "labels" / "cells"
        labels = zarr.create_array({}, data=rng.integers(0, 9, (40, 64), dtype="u4"), chunks=(16, 16),
                                   dimension_names=["y", "x"])  # fmt: skip
        vrdask.write_pyramid(open_source(labels, pixel_size="y=2,x=0.5"), inner, ome_zarr_version=version)  # fmt: skip
        said = {"labels": ["cells"]}
        zarr.create_group(place / "labels", attributes=said if zarr_format == 2 else {"ome": said},
                          zarr_format=zarr_format)  # fmt: skip
        assert info.looked_at(str(place), {})[0]["labels"] == ["cells"]
    if is_consolidated:
        zarr.consolidate_metadata(place)
    places = [path.parent for path in place.rglob("*") if path.name in ("zarr.json", ".zarray", ".zgroup")]
    assert len(places) > 3
    for one in places:
        require_the_same(one, True)
    assert info.said(str(place), {})[0]["kind"] == "OME-Zarr image"
    require_the_same(f"{place}/", True)
    require_the_same(f"file://{place}", True)


@pytest.mark.parametrize("kind", ["0.1", "0.3", "0.4", "untyped 0.4", "global 0.4", "spatialdata", "0.5", "0.6"])
def test_of_images_of_every_version(tmp_path, kind):
    write(tmp_path / "image", kind)
    asked = [*ASKED, {"coordinate_system": "global"}, {"coordinate_system": "large"}]
    require_the_same(tmp_path / "image", True, asked)
    require_the_same(tmp_path / "image" / "s0", True, asked)


@pytest.mark.parametrize("is_consolidated", [False, True])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_of_groups_that_hold_images(tmp_path, zarr_format, is_consolidated):
    axes = [{"name": name, "type": "space"} for name in "yx"]
    datasets = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1]}]}]
    image = {"multiscales": [{"version": "0.4", "axes": axes, "datasets": datasets}]}
    plate = {"plate": {"wells": [{"path": "A/1"}, {"path": "B/2"}], "columns": [], "rows": []}}
    well = {"well": {"images": [{"path": "0"}]}}

    def of(said: dict[str, Any]) -> dict[str, Any]:
        return said if zarr_format == 2 else {"ome": {"version": "0.5", **said}}

    root = zarr.create_group(tmp_path / "plate", attributes=of(plate), zarr_format=zarr_format)
    for row in ("A/1", "B/2"):
        root.create_group(row, attributes=of(well))
        inner = root.create_group(f"{row}/0", attributes=of(image))
        inner.create_array("0", shape=(8, 8), chunks=(4, 4), dtype="u1")
    series = zarr.create_group(tmp_path / "series", attributes=of({"bioformats2raw.layout": 3}),
                               zarr_format=zarr_format)  # fmt: skip
    for number in ("0", "1"):
        inner = series.create_group(number, attributes=of(image))
        inner.create_array("0", shape=(8, 8), chunks=(4, 4), dtype="u1")
    arrays = zarr.create_group(tmp_path / "arrays", zarr_format=zarr_format)
    for name in ("a", "b"):
        arrays.create_array(name, shape=(8, 8), chunks=(4, 4), dtype="u1")
    for name in ("plate", "series", "arrays"):
        if is_consolidated:
            zarr.consolidate_metadata(tmp_path / name)
        require_the_same(tmp_path / name, name != "arrays", ASKED[:2])
        if is_consolidated and zarr_format == 2:  # as earlier versions of zarr have written it
            edited(tmp_path / name, without_marks, ".zmetadata")
            require_the_same(tmp_path / name, name != "arrays", ASKED[:2])
    require_the_same(tmp_path / "plate" / "A" / "1" / "0", True, ASKED[:2])
    require_the_same(tmp_path / "plate" / "A", asked=ASKED[:2])
    require_the_same(tmp_path / "nothing", False)
    require_the_same(tmp_path, False)


def test_a_level_that_is_not_there_is_not_made_up(tmp_path):
    """What consolidated metadata list counts, though it may not be there; and what they do not list is not there."""
    place = tmp_path / "image.zarr"
    plain = zarr.create_array({}, data=np.zeros((40, 40), "u1"), chunks=(16, 16), dimension_names=["y", "x"])
    vrdask.write_pyramid(open_source(plain, pixel_size="y=2,x=0.5"), place)
    zarr.consolidate_metadata(place)
    levels = sorted(path for path in place.iterdir() if path.is_dir())
    levels[-1].rename(tmp_path / "away")
    require_the_same(place, True)
    edited(place, lambda said: said["consolidated_metadata"]["metadata"].pop(levels[0].name))
    require_the_same(place)


def test_the_variable_of_a_group_with_coordinates_is_left_to_zarr(tmp_path):
    group = zarr.create_group(tmp_path / "g")
    group.create_array("x", data=np.arange(8.0), dimension_names=["x"])
    group.create_array("v", data=np.zeros((4, 8)), dimension_names=["y", "x"])
    require_the_same(tmp_path / "g", False)


def test_where_zarr_is_configured_it_is_asked(tmp_path, monkeypatch):
    place = array(tmp_path / "a")
    assert info.said(str(place), {}) is not None
    monkeypatch.setenv("ZARR_CODECS__ZSTD", "somebody.Zstd")
    assert info.said(str(place), {}) is None


def test_samples_are_not_read_of_what_is_said(tmp_path):
    with pytest.raises(Exception, match="samples are zarr's to read"):
        said_by(array(tmp_path / "a"))[0]
