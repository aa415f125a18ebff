"""Every level of a pyramid has exactly the bits of its definition, however it is cut up, stored, run or cut off."""

from __future__ import annotations

import os
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from pyramids import expected, image_at, levels_of, small_blocks
from zarr.storage import MemoryStore

import vrdask
from vrdask.api.write_pyramid import prepare
from vrdask.boxes import whole
from vrdask.compute import carried
from vrdask.compute.box import compute_box
from vrdask.runs import pyramid_task
from vrdask.transforms.blocks import MODES
from vrdask.transforms.resampling import resampling

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "bool", "float32", "float64")


def values(dtype: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Of the whole range of integers, with runs of equal ones; floats with some NaN."""
    random = np.random.default_rng(seed)
    if dtype == "bool":
        return random.random(shape) < 0.5
    if np.dtype(dtype).kind == "f":
        x = random.standard_normal(shape).astype(dtype)
        x[random.random(shape) < 0.05] = np.nan
        return x
    limits = np.iinfo(dtype)
    few = random.integers(limits.min, limits.max, 5, dtype=dtype, endpoint=True)
    many = random.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    return np.where(random.random(shape) < 0.5, random.choice(few, shape), many)


def stored(place: Any, x: np.ndarray, chunk: int) -> zarr.Array[Any]:
    """An array in chunks of one size along every axis."""
    return zarr.create_array(place, data=x, chunks=(chunk,) * x.ndim)


@given(data=st.data())
def test_every_level_is_its_definition(data):
    draw = data.draw
    ndim = draw(st.integers(2, 4))
    sides = st.integers(1, {2: 40, 3: 17, 4: 8}[ndim])
    shape = tuple(draw(sides) for _ in range(ndim))
    mode, dtype = draw(st.sampled_from(MODES)), draw(st.sampled_from(DTYPES))
    steps = [tuple(draw(st.integers(1, 4)) for _ in range(ndim)) for _ in range(draw(st.integers(1, 4)))]
    steps = [step if max(step) > 1 else (*step[:-1], 2) for step in steps]
    chunks = tuple(draw(st.integers(1, 7)) for _ in range(ndim))
    shards = tuple(c * draw(st.integers(1, 3)) for c in chunks) if draw(st.booleans()) else None
    x = values(dtype, shape, draw(st.integers(0, 99)))
    source = zarr.create_array({}, data=x, chunks=tuple(draw(st.integers(1, 9)) for _ in range(ndim)))
    names = {2: "yx", 3: "zyx", 4: "czyx"}[ndim]
    with pytest.MonkeyPatch.context() as patch:
        small_blocks(patch, draw(st.integers(1, 4000)), draw(st.integers(1, 2000)))
        patch.setattr(carried, "PIECE_ELEMENTS", draw(st.sampled_from((1, 10, 1 << 16))))
        group = vrdask.write_pyramid(
            source, MemoryStore(), factors=[dict(zip(names, step, strict=True)) for step in steps], mode=mode,
            chunks=chunks, shards=shards, num_threads=draw(st.integers(1, 2)),
        )  # fmt: skip
    for level, want in zip(levels_of(group), expected(x, steps, mode), strict=True):
        assert level.dtype == want.dtype
        assert_array_equal(level[:], want)


@pytest.mark.parametrize("mode", ["nearest", "linear", "area", "cubic", "lanczos"])
def test_other_modes_are_one_resampling_of_the_level_before_each(mode, tmp_path):
    x = values("uint8", (40, 53), 3)
    image_at(tmp_path / "in.zarr", x, (0.5, 0.5), "yx")
    group = vrdask.write_pyramid(tmp_path / "in.zarr", tmp_path / "out.zarr", factors=1.7, levels=3, mode=mode)
    before = x
    for level in levels_of(group)[1:]:
        what = resampling(before.shape, level.shape, mode, axes=(0, 1), in_dtype="uint8", steps=[Fraction("1.7")] * 2)
        before = compute_box(what, before, what.reads(whole(level.shape)), whole(level.shape), 1)
        assert_array_equal(level[:], before)
    assert [level.shape for level in levels_of(group)] == [(40, 53), (24, 31), (14, 18), (8, 11)]


@pytest.mark.parametrize("mode", ["linear", "cubic", "lanczos"])
def test_halves_by_resampling_are_those_of_resample(mode):
    x = values("uint16", (32, 48), 4)
    group = vrdask.write_pyramid(stored({}, x, chunk=8), MemoryStore(), mode=mode, levels=2)
    once = vrdask.resample(x, (16, 24), mode)
    assert_array_equal(group["1"][:], once)
    assert_array_equal(group["2"][:], vrdask.resample(once, (8, 12), mode))


def test_an_odd_size_is_resampled_by_exactly_the_factor():
    ramp = np.arange(21, dtype="float64") * 4 + np.zeros((21, 1))
    group = vrdask.write_pyramid(stored({}, ramp, chunk=8), MemoryStore(), mode="linear", levels=1)
    inner = group["1"][:, 1:-1]
    assert group["1"].shape == (11, 11)
    assert_array_equal(inner, np.broadcast_to((np.arange(11) * 2 + 0.5)[1:-1] * 4, inner.shape))


@pytest.mark.parametrize("mode", ["mean", "stride"])
def test_a_ramp_lies_where_the_metadata_say(tmp_path, mode):
    z, y, x = np.meshgrid(*(np.arange(n) for n in (8, 24, 16)), indexing="ij")
    scale = (2.0, 0.5, 0.25)
    image_at(tmp_path / "in.zarr", (z * 2.0 + y * 0.5 + x * 0.25).astype("float64"), scale)
    group = vrdask.write_pyramid(
        tmp_path / "in.zarr", tmp_path / "out.zarr", factors=[{"y": 3, "x": 2}, 2], mode=mode
    )  # fmt: skip
    for dataset in group.attrs["ome"]["multiscales"][0]["datasets"]:
        level = group[dataset["path"]]
        found, shift = (one[one["type"]] for one in dataset["coordinateTransformations"])
        grid = np.meshgrid(*(np.arange(n) for n in level.shape), indexing="ij")
        where = sum(s * k + t for s, t, k in zip(found, shift, grid, strict=True))
        np.testing.assert_allclose(level[:], where, rtol=0, atol=1e-12)


def test_means_stay_and_a_constant_stays_constant():
    x = np.random.default_rng(0).integers(0, 4, (32, 64, 64)).astype("uint8")
    x[:, 0] = 255
    group = vrdask.write_pyramid(stored({}, x, chunk=16), MemoryStore(), levels=4)
    for level in levels_of(group):
        assert abs(level[:].mean() - x.mean()) < 0.5
    flat = vrdask.write_pyramid(stored({}, np.full((33, 17), 77, "u2"), chunk=8), MemoryStore())
    assert {int(v) for level in levels_of(flat) for v in np.unique(level[:])} == {77}


def test_labels_hold_no_value_that_the_source_lacks(tmp_path):
    labels = values("uint64", (21, 33, 18), 7)
    image_at(tmp_path / "in.zarr", labels, (1, 1, 1), **{"image-label": {"colors": []}})
    group = vrdask.write_pyramid(tmp_path / "in.zarr", tmp_path / "out.zarr")
    assert group.attrs["ome"]["multiscales"][0]["type"] == "majority"
    assert group.attrs["ome"]["image-label"] == {"colors": []}
    for level in levels_of(group):
        assert np.isin(level[:], labels).all()


def test_the_source_is_decoded_once(monkeypatch):
    from vrdask.storage.chunk_array import ChunkIO

    x = values("uint16", (64, 64, 64), 1)
    source = stored({}, x, chunk=16)
    decoded, chunk = [], ChunkIO._decoded

    def counted(self: ChunkIO, index: Any, *rest: Any) -> Any:
        if self._array.store_path == source.store_path:
            decoded.append(index)
        return chunk(self, index, *rest)

    monkeypatch.setattr(ChunkIO, "_decoded", counted)
    small_blocks(monkeypatch, 1 << 17, 1 << 14)
    vrdask.write_pyramid(source, MemoryStore(), levels=3, num_threads=2)
    assert len(decoded) == len({*decoded}) == 64


def test_resume_does_only_what_is_not_done(tmp_path, monkeypatch):
    small_blocks(monkeypatch, 256, 128)
    x = values("uint8", (64, 64), 6)
    stored(tmp_path / "in.zarr", x, chunk=8)
    made, calls = pyramid_task.PyramidWork.__call__, []

    def failing(self: Any, number: int) -> Any:
        if len(calls) == 9:
            raise RuntimeError("no more")
        calls.append(number)
        return made(self, number)

    monkeypatch.setattr(pyramid_task.PyramidWork, "__call__", failing)
    how: dict[str, Any] = {"levels": 4, "chunks": 4, "num_threads": 1}
    with pytest.raises(RuntimeError, match="no more"):
        vrdask.write_pyramid(tmp_path / "in.zarr", tmp_path / "out.zarr", **how)
    monkeypatch.setattr(pyramid_task.PyramidWork, "__call__", lambda self, k: calls.append(k) or made(self, k))
    job = prepare(tmp_path / "in.zarr", tmp_path / "out.zarr", resume=True, **how)
    group = job.run()
    assert len(calls) == len(job.plan)
    for level, want in zip(levels_of(group), expected(x, [(2, 2)] * 4, "mean"), strict=True):
        assert_array_equal(level[:], want)
    with pytest.raises(ValueError, match="mode differ"):
        vrdask.write_pyramid(tmp_path / "in.zarr", tmp_path / "out.zarr", resume=True, mode="min", **how)
    calls.clear()
    vrdask.write_pyramid(tmp_path / "in.zarr", tmp_path / "out.zarr", resume=True, **how)
    assert not calls


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks a process for each kill")
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_an_image_in_place_is_whole_whenever_the_run_is_killed(tmp_path, version, python):
    code = f"""
import crashes, os, pathlib, shutil, signal, itertools
import numpy as np, zarr, vrdask
from pyramids import expected, image_at, levels_of
from vrdask.api.write_pyramid import write_pyramid
from vrdask.planning import pyramid_plan
from vrdask.runs import record
os.fsync = lambda handle: None
record.SECONDS_BETWEEN_FLUSHES = 0.002
pyramid_plan.BLOCK_BYTES = pyramid_plan.PART_BYTES = pyramid_plan.SMALL_TASK_BYTES = 64
folder, x = pathlib.Path({str(tmp_path)!r}) / "image.zarr", crashes.X
want = expected(x, [(2, 1), (2, 2)], "mean")
def run(**how):
    write_pyramid(folder, in_place=True, factors=[{{"y": 2}}, 2], num_threads=1, **how)
def same(group):
    found = levels_of(group)
    assert len(found) in (1, 3), len(found)
    for level, right in zip(found, want):
        assert np.array_equal(level[:], right)
    return len(found) == 3
def old():
    image_at(folder, x, (1, 1), "yx", version={version!r})
    write_pyramid(folder, in_place=True, factors=[{{"y": 2}}, 2], mode="mean", num_threads=1)
for overwrite in (False, True):
    for number in itertools.count(1):
        prepared = old if overwrite else (lambda: image_at(folder, x, (1, 1), "yx", version={version!r}) and None)
        assert crashes.ended(crashes.forked(prepared)) == 0
        status = crashes.ended(crashes.forked(lambda: (crashes.kill_at(number), run(overwrite=overwrite))))
        def go_on():
            there = same(zarr.open_group(folder, mode="r"))
            begun = (folder / ".vrdask" / "job.json").exists()
            run(**({{"overwrite": True}} if overwrite and not begun else {{"resume": True}}))
            assert same(zarr.open_group(folder, mode="r"))
            left = [p for p in folder.rglob("*") if p.name.startswith((".vrdask", "claim-")) or ".partial" in p.name]
            assert not left, left
        assert crashes.ended(crashes.forked(go_on)) == 0, (overwrite, number)
        shutil.rmtree(folder)
        if status == 0:
            break
        assert status == -signal.SIGKILL
    assert number > 20
print("ok")
"""
    assert python(code).endswith("ok")


@pytest.mark.slow
def test_workers_make_the_same_pyramid(client, tmp_path, monkeypatch):
    small_blocks(monkeypatch, 4096, 512)
    x = values("int16", (40, 50, 60), 5)
    stored(tmp_path / "in.zarr", x, chunk=16)
    seen: list[tuple[int, int]] = []
    job = prepare(tmp_path / "in.zarr", tmp_path / "out.zarr", levels=3, chunks=8,
                  progress=lambda done, total: seen.append((done, total)))  # fmt: skip
    assert len(job.plan.passes) > 1
    assert job.plan.sums_at
    group = job.run()
    for level, want in zip(levels_of(group), expected(x, [(2, 2, 2)] * 3, "mean"), strict=True):
        assert_array_equal(level[:], want)
    assert seen[-1] == (job.plan.passed_in_all, job.plan.passed_in_all)
    assert not (tmp_path / "out.zarr" / ".vrdask").exists()
