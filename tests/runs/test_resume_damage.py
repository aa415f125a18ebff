"""What is damaged is done again or named: chunks of an unfinished target, and sources that change, break or wait."""

from __future__ import annotations

import os
from pathlib import Path

import cut_off
import pytest
import zarr
from cut_off import RESULT, SHAPE, expected, interrupted, opens
from numpy.testing import assert_array_equal

import vrdask
import vrdask.api.affine_zarr
from vrdask.storage import objects, retry

source = cut_off.source


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def flip(path: Path) -> None:
    held = bytearray(path.read_bytes())
    held[len(held) // 2] ^= 1
    path.write_bytes(held)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


DAMAGES = [zero, flip, cut, Path.unlink]


@pytest.mark.parametrize("shards", [None, 16])
@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_no_longer_as_it_was_written_is_done_again(source, tmp_path, monkeypatch, damage, shards):
    target = tmp_path / "out.zarr"
    how = {"shards": shards}
    interrupted(source, target, monkeypatch, after=20 if shards is None else 6, **how)
    damaged = max((path for path in (target / "c").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    damage(damaged)
    result = vrdask.resample_zarr(source, target, RESULT, mode="cubic", chunks=8, resume=True, **how)
    assert_array_equal(result[:], expected(source))


@pytest.mark.parametrize("compressors", ["auto", "none"])
def test_a_chunk_where_none_was_written_is_removed(source, tmp_path, monkeypatch, compressors):
    target = tmp_path / "out.zarr"
    interrupted(source, target, monkeypatch, after=20, compressors=compressors)
    empty = target / "c" / "0" / "0" / "0"
    assert not empty.exists()
    empty.parent.mkdir(parents=True, exist_ok=True)
    empty.write_bytes(b"not ours")
    result = vrdask.resample_zarr(source, target, RESULT, mode="cubic", chunks=8, compressors=compressors, resume=True)
    assert_array_equal(result[:], expected(source))


@pytest.mark.parametrize("damage", [cut, Path.unlink])
@pytest.mark.parametrize("affine", [False, True])
def test_a_target_that_is_damaged_midway_is_not_published(source, tmp_path, damage, affine):
    target, seen = tmp_path / "out.zarr", []

    def progress(done, total):
        files = [path for path in (target / "c").rglob("*") if path.is_file() and path.suffix != ".partial"]
        if files and not seen:
            seen.append(files[0])
            damage(files[0])

    def run(**how):
        if affine:
            return vrdask.api.affine_zarr.affine_zarr(source, target, [2, 2, 2], 0, RESULT, chunks=8, **how)
        return vrdask.resample_zarr(source, target, RESULT, chunks=8, memory_limit="1MB", **how)

    with pytest.raises(RuntimeError, match=r"target must not change during a run; 1 of \d+ blocks .* c/\d/\d/\d first"):
        run(progress=progress)
    assert seen
    assert not opens(target)
    result = run(resume=True)
    x = zarr.open_array(source, mode="r")[:]
    assert_array_equal(
        result[:], vrdask.affine_transform(x, [2, 2, 2], 0, RESULT) if affine else vrdask.resample(x, RESULT)
    )


def test_a_source_that_changes_during_the_run_is_noticed(source, tmp_path, monkeypatch):
    from vrdask.runs import task

    apply = task.compute_box

    def growing(*args, **kwargs):
        zarr.open_array(source, mode="r+").resize((SHAPE[0] + 1, *SHAPE[1:]))
        return apply(*args, **kwargs)

    monkeypatch.setattr(task, "compute_box", growing)
    with pytest.raises(ValueError, match="source must not change during a run"):
        vrdask.resample_zarr(source, tmp_path / "out.zarr", RESULT, num_threads=1)
    assert not opens(tmp_path / "out.zarr")


def test_a_corrupt_source_chunk_is_named_and_nothing_else_is_lost(source, tmp_path):
    target = tmp_path / "out.zarr"
    chunk = source / "c" / "6" / "2" / "1"
    whole = chunk.read_bytes()
    chunk.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RuntimeError, match=r"reading chunk c/6/2/1 \(\[96:112, 32:48, 16:32\]\) of .*in\.zarr failed"):
        vrdask.resample_zarr(source, target, RESULT, mode="cubic", chunks=8, memory_limit="1MB")
    assert not opens(target)
    chunk.write_bytes(whole)
    result = vrdask.resample_zarr(source, target, RESULT, mode="cubic", chunks=8, memory_limit="1MB", resume=True)
    assert_array_equal(result[:], expected(source))


def test_errors_that_pass_are_retried_and_lasting_ones_are_not(source, tmp_path, monkeypatch):
    monkeypatch.setattr(retry, "SECONDS_BEFORE_RETRIES", (0.0, 0.0))
    failures = [ConnectionResetError("reset"), TimeoutError("slow")]
    get_many = objects.get_many

    def flaky(places):
        if failures and "/c/" in f"/{places[0].path}":
            raise failures.pop()
        return get_many(places)

    monkeypatch.setattr(objects, "get_many", flaky)
    result = vrdask.resample_zarr(source, tmp_path / "out.zarr", RESULT, mode="cubic")
    assert not failures
    assert_array_equal(result[:], expected(source))
    failures.append(OSError(28, "No space left on device"))
    with pytest.raises(RuntimeError, match="No space left"):
        vrdask.resample_zarr(source, tmp_path / "full.zarr", RESULT)
