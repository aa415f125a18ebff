"""A region of a source: resampled as if it were the source, without reading anything else."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from image_files import COLOUR, VOLUME, nifti, slide
from numpy.testing import assert_array_equal
from strategies import FILTERS, MODES, boxes_in, chunks_of, values

import vrdask
from vrdask.boxes import slices_of
from vrdask.sources import open_source
from vrdask.storage.chunk_array import ChunkIO
from vrdask.storage.cropped import chunk_io


def named(box):
    return dict(enumerate(box))


@given(st.data())
def test_a_region_by_chunks_equals_the_crop_at_once(data):
    shape = tuple(data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=3)))
    chunks = tuple(max(sizes) for sizes in data.draw(chunks_of(shape)))
    shards = data.draw(st.none() | st.just(tuple(2 * c for c in chunks)))
    dtype = data.draw(st.sampled_from(["uint8", "float32", "int64"]))
    mode = data.draw(st.sampled_from((*MODES, *FILTERS)))
    x, box = values(shape, dtype, 3), data.draw(boxes_in(shape))
    options = {
        "factor": data.draw(st.sampled_from([0.5, 0.7, 1.3, 2])),
        "exact": data.draw(st.booleans()),
        "mode": mode,
    }
    source = zarr.create_array({}, data=x, chunks=chunks, shards=shards)
    result = vrdask.resample_zarr(
        source, zarr.storage.MemoryStore(), region=named(box), chunks=data.draw(st.integers(1, 12)),
        num_threads=data.draw(st.sampled_from([1, 2])), **options,
    )  # fmt: skip
    assert_array_equal(result[...], vrdask.resample(x[slices_of(box)], **options))


@given(st.data())
def test_chunks_of_a_region_are_those_of_the_array_as_far_as_they_are_in_it(data):
    shape = (23, 17)
    x, box = values(shape, "int16", 1), data.draw(boxes_in(shape))
    array = zarr.create_array({}, data=x, chunks=data.draw(st.sampled_from([(5, 4), (1, 17), (23, 3), (30, 30)])))
    source = open_source(array, region=named(box))
    io, crop = chunk_io(source.array), x[slices_of(box)]
    assert [edges.tolist() for edges in io.edges] == [edges.tolist() for edges in source.edges]
    assert io.reading == ChunkIO(array).reading
    part = data.draw(boxes_in(crop.shape))
    assert_array_equal(io.read(part), crop[slices_of(part)])
    assert_array_equal(source.array[slices_of(part)], crop[slices_of(part)])
    for place, samples in io.by_chunk(part):
        assert_array_equal(samples, crop[slices_of(place)])
    for index, place in io.parts(part):
        assert_array_equal(io.part(index, place), crop[slices_of(place)])
        whole = io.place(index)
        assert_array_equal(io.chunk(index), crop[slices_of(whole)])
        within = io.chunk(index, place)
        assert all(start + n >= stop for (start, _), n, (_, stop) in zip(whole, within.shape, place, strict=True))
        assert_array_equal(within, crop[slices_of(whole)][tuple(map(slice, within.shape))])


def test_nothing_else_is_read(tmp_path):
    # every chunk that the region does not touch is damaged
    x = values((64, 64), "uint16", 5)
    zarr.create_array(tmp_path / "a.zarr", data=x, chunks=(8, 8))
    for row in range(8):
        for column in range(8):
            if not (2 <= row <= 4 and 5 <= column <= 6):
                (tmp_path / "a.zarr" / "c" / str(row) / str(column)).write_bytes(b"damaged")
    region = {0: (17, 40), 1: (40, 56)}
    for mode in ("linear", "cubic", "lanczos"):
        options = {"factor": 0.7, "mode": mode, "region": region, "overwrite": True}
        result = vrdask.resample_zarr(tmp_path / "a.zarr", tmp_path / "out.zarr", **options)
        assert_array_equal(result[:], vrdask.resample(x[17:40, 40:56], factor=0.7, mode=mode))


def test_regions_of_files_and_of_a_channel(tmp_path):
    nifti(tmp_path / "ct.nii.gz")
    slide(tmp_path / "slide.svs")
    crop = open_source(tmp_path / "ct.nii.gz", region="z=3:20,x=5:")
    assert_array_equal(crop.array[:, :, :], VOLUME.T[3:20, :, 5:])
    assert crop.image.translation == pytest.approx((9, 0, 5 * 0.8))
    assert [row[-1] for row in crop.image.affine] == pytest.approx([5 * 0.8, 0, 9]), "where the scanner had it"
    assert ("region", "z 3:20 of 30, x 5:20 of 20") in crop.details
    level = open_source(tmp_path / "slide.svs", level=1, channel=2, region={"y": (10, 60), "x": (0, 70)})
    whole = open_source(tmp_path / "slide.svs", level=1).array[:, :, :]
    assert_array_equal(level.array[:, :], whole[10:60, :70, 2])
    assert level.array.shape == (50, 70)
    assert COLOUR.shape[:2] == (300, 400)
    again = pickle.loads(pickle.dumps(level.array))
    assert_array_equal(again[3:9, 5:6], whole[13:19, 5:6, 2])
    result = vrdask.resample_zarr(level, tmp_path / "out.zarr", factor=0.5, mode="bicubic")
    assert_array_equal(result[:], vrdask.resample(whole[10:60, :70, 2], factor=0.5, mode="bicubic"))


def test_another_region_is_another_source(tmp_path):
    zarr.create_array(tmp_path / "in.zarr", data=np.arange(64.0), chunks=8)
    options = {"factor": 2, "chunks": 8}
    vrdask.resample_zarr(tmp_path / "in.zarr", tmp_path / "out.zarr", region="0=0:32", **options)
    same = vrdask.resample_zarr(
        tmp_path / "in.zarr", tmp_path / "out.zarr", region={0: (0, 32)}, resume=True, **options
    )
    assert same.shape == (64,)
    for region in ("0=1:33", None):
        with pytest.raises((ValueError, FileExistsError)):
            vrdask.resample_zarr(tmp_path / "in.zarr", tmp_path / "out.zarr", region=region, resume=True, **options)
    with pytest.raises(ValueError, match="target must lie outside the source"):
        vrdask.resample_zarr(
            open_source(tmp_path / "in.zarr", region="0=0:8"), tmp_path / "in.zarr", overwrite=True, **options
        )


def test_a_region_of_everything_is_the_source():
    source = open_source(zarr.create_array({}, data=np.zeros((4, 5))))
    assert open_source(source, region="0=0:4,1=:") is source


@pytest.mark.parametrize(
    ("region", "said"),
    [("0=2:9", "stop behind that and at 8 at most; got 2:9: for "), ("z=0:2", "without names of axes; got 'z'")],
)
def test_a_region_outside_is_refused_before_anything_is_written(tmp_path, region, said):
    source = zarr.create_array(tmp_path / "in.zarr", data=np.zeros((8, 8)))
    with pytest.raises(ValueError, match=said):
        vrdask.resample_zarr(source, tmp_path / "out.zarr", factor=0.5, region=region)
    assert not (tmp_path / "out.zarr").exists()
