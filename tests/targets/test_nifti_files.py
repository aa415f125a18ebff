"""How NIfTI files come to be: slab by slab, gone on from where a run was cut off; and what may be replaced."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys

import numpy as np
import pytest
import zarr
from cut_off import RESULT, expected, interrupted, source  # noqa: F401
from numpy.testing import assert_array_equal
from scans import AFFINES, nibabel, write

import vrdask
from vrdask.targets import streamed
from vrdask.targets.streamed import slabs_of, stream_chunks

DATA = np.random.default_rng(0).integers(0, 200, (21, 17, 13)).astype("i2")
SHAPE = (7, 20, 31)
"""Of results: z, y, x."""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("shape", [(1,), (5, 300), (2, 5, 3), (3, 1, 70, 80), (2, 2, 9, 10, 11)])
@pytest.mark.parametrize("slab_bytes", [1, 100, 4096, 1 << 20])
def test_slabs_cover_a_file_in_its_order_and_are_of_whole_chunks(shape, slab_bytes):
    chunks = stream_chunks(shape, 2, slab_bytes)
    numbers = np.arange(np.prod(shape)).reshape(shape)
    found = []
    for box in slabs_of(shape, chunks, 2, slab_bytes):
        part = numbers[tuple(slice(*interval) for interval in box)]
        assert part.size * 2 <= max(slab_bytes, 2)
        assert all(start % c == 0 for (start, _), c in zip(box, chunks, strict=True))
        found.append(part.ravel())
    assert_array_equal(np.concatenate(found), numbers.ravel())


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_slabs_however_small_make_the_same_file(tmp_path, suffix, monkeypatch):
    write(tmp_path / "in.nii", DATA, AFFINES["RAS"])
    vrdask.resample_zarr(tmp_path / "in.nii", tmp_path / f"one{suffix}", SHAPE)
    monkeypatch.setattr(streamed, "SLAB_BYTES", 500)
    vrdask.resample_zarr(tmp_path / "in.nii", tmp_path / f"two{suffix}", SHAPE)
    one, two = (nibabel.load(tmp_path / f"{name}{suffix}") for name in ("one", "two"))
    assert_array_equal(np.asarray(one.dataobj), np.asarray(two.dataobj))
    if suffix == ".nii.gz":
        with gzip.open(tmp_path / "two.nii.gz") as file:
            assert len(file.read()) == two.dataobj.offset + 2 * np.prod(SHAPE)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_file_larger_than_memory_takes_no_more_than_the_limit(tmp_path, python, suffix):
    limit, libraries = 150 << 20, 150 << 20
    zarr.create_array(tmp_path / "in.zarr", shape=(400, 400, 400), chunks=(64, 64, 64), dtype="u1", fill_value=3)
    script = f"""
import vrdask
from peaks import peak_bytes
vrdask.resample_zarr({str(tmp_path / "in.zarr")!r}, {str(tmp_path / "out") + suffix!r}, (800, 800, 900), num_threads=2,
                     memory_limit={limit})
print(peak_bytes())
"""
    peak = int(python(script, PYTHONPATH=os.pathsep.join(sys.path)))
    assert peak < limit + libraries  # of a file of 550 MiB


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_run_that_is_cut_off_goes_on(source, tmp_path, monkeypatch, suffix):  # noqa: F811
    target = tmp_path / f"out{suffix}"
    monkeypatch.setattr(streamed, "CHUNK_BYTES", 4096)
    interrupted(source, target, monkeypatch, chunks=None)
    assert not target.exists()
    assert f".out{suffix}.unfinished" in names(tmp_path)
    with pytest.raises(
        FileExistsError, match=r"it holds an unfinished run, which resume=True \(--resume\) goes on from"
    ):
        vrdask.resample_zarr(source, target, RESULT, mode="cubic")
    with pytest.raises(ValueError, match="resume must have the settings that the run was begun with; mode differ"):
        vrdask.resample_zarr(source, target, RESULT, mode="area", resume=True)
    result = vrdask.resample_zarr(source, target, RESULT, mode="cubic", memory_limit="4MB", resume=True)
    assert_array_equal(result[...], expected(source))
    assert names(tmp_path) == ["in.zarr", target.name]
    # finished: the same settings have nothing to do, others are told so
    stamp = target.stat().st_mtime_ns
    again = vrdask.resample_zarr(source, target, RESULT, mode="cubic", memory_limit="4MB", resume=True)
    assert_array_equal(again[...], expected(source))
    assert target.stat().st_mtime_ns == stamp
    with pytest.raises(ValueError, match="resume must have the settings that the target was made with; mode differ"):
        vrdask.resample_zarr(source, target, RESULT, mode="area", memory_limit="4MB", resume=True)
    assert names(tmp_path) == ["in.zarr", target.name]


@pytest.mark.parametrize("moment", ["before the file has its name", "after it has its name"])
def test_a_run_that_dies_while_it_puts_the_file_together_goes_on(tmp_path, moment):
    write(tmp_path / "in.nii", DATA, AFFINES["RAS"])
    code = f"""
import os, signal, vrdask
replace = os.replace
def dies(one, other):
    if str(other).endswith("out.nii"):
        {"" if moment.startswith("before") else "replace(one, other)"}
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(one, other)
os.replace = dies
vrdask.resample_zarr({str(tmp_path / "in.nii")!r}, {str(tmp_path / "out.nii")!r}, {SHAPE})
"""
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                          check=False)  # fmt: skip
    assert done.returncode == -9
    vrdask.resample_zarr(tmp_path / "in.nii", tmp_path / "out.nii", SHAPE, resume=True)
    assert_array_equal(np.asarray(nibabel.load(tmp_path / "out.nii").dataobj).T, vrdask.resample(DATA.T.copy(), SHAPE))
    assert names(tmp_path) == ["in.nii", "out.nii"]


def test_on_a_cluster(tmp_path, client):
    write(tmp_path / "in.nii", DATA, AFFINES["oblique"])
    result = vrdask.resample_zarr(tmp_path / "in.nii", tmp_path / "out.nii.gz", SHAPE, mode="cubic")
    assert_array_equal(result[...], vrdask.resample(DATA.T.copy(), SHAPE, "cubic"))


# what may be replaced


def test_a_file_is_replaced_only_when_asked_for_and_only_by_its_own_kind(tmp_path):
    write(tmp_path / "in.nii", DATA, AFFINES["RAS"])
    target = tmp_path / "out.nii"

    def run(**options):
        return vrdask.resample_zarr(tmp_path / "in.nii", target, SHAPE, **options)

    target.write_text("a text that is called so")
    for options, message in (
        ({}, "target must not exist"),
        ({"overwrite": True}, "overwrite must replace a file of the"),
    ):
        with pytest.raises(FileExistsError, match=message):
            run(**options)
    assert target.read_text() == "a text that is called so"
    target.unlink()
    target.mkdir()
    with pytest.raises(FileExistsError, match="which is no file: choose another name"):
        run(overwrite=True)
    target.rmdir()
    run()
    with pytest.raises(
        FileExistsError, match=r"target must not exist; got .*: overwrite=True \(--overwrite\) replaces it"
    ):
        run()
    run(overwrite=True, mode="nearest")
    assert_array_equal(np.asarray(nibabel.load(target).dataobj).T, vrdask.resample(DATA.T.copy(), SHAPE, "nearest"))
    write(target, DATA, AFFINES["LAS"])  # another's
    with pytest.raises(FileExistsError, match=r"target must hold an unfinished run to resume; got .* something else"):
        run(resume=True)
    run(overwrite=True)
    assert names(tmp_path) == ["in.nii", "out.nii"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chunks": 8}, "chunks must be left out for a NIfTI file, which has none"),
        ({"shards": 8}, "shards must be left out for a NIfTI file"),
        ({"compressors": "zstd"}, "compressors must be left out for a NIfTI file"),
        ({"memory_limit": 100}, "memory_limit must be at least"),
    ],
)
def test_refusals_leave_no_trace(tmp_path, options, message):
    write(tmp_path / "in.nii", DATA, AFFINES["RAS"])
    with pytest.raises(ValueError, match=message):
        vrdask.resample_zarr(tmp_path / "in.nii", tmp_path / "out.nii", SHAPE, **options)
    for target in (tmp_path / "in.nii", f"file://{tmp_path}/in.nii"):
        with pytest.raises(ValueError, match="target must lie outside the source"):
            vrdask.resample_zarr(tmp_path / "in.nii", target, SHAPE, overwrite=True)
    with pytest.raises(FileNotFoundError, match="the folder of a NIfTI file must exist"):
        vrdask.resample_zarr(tmp_path / "in.nii", tmp_path / "no" / "out.nii", SHAPE)
    with pytest.raises(ValueError, match="NIfTI must be a local file"):
        vrdask.resample_zarr(tmp_path / "in.nii", "memory://x/out.nii.gz", SHAPE)
    assert names(tmp_path) == ["in.nii"]
