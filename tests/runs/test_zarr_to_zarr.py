"""Zarr to Zarr: whole units written once each, metadata last and true, and nothing that opens after a failure."""

from __future__ import annotations

import errno
import io
import re
from contextlib import suppress

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from strategies import MODES, chunks_of, values
from tqdm import tqdm
from zarr.storage import LocalStore, MemoryStore

import vrdask
from vrdask.api.resample_zarr import prepare

SHAPE, TARGET = (24, 50, 40), (30, 25, 47)


@pytest.fixture
def x():
    return values(SHAPE, "uint16", 11)


@pytest.fixture
def source(x, tmp_path):
    return zarr.create_array(tmp_path / "source.zarr", data=x, chunks=(10, 16, 16))


def opens(place) -> bool:
    try:
        zarr.open(place, mode="r")
    except FileNotFoundError:
        return False
    return True


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("mode", MODES)
def test_formats_2_and_3_are_read_and_3_is_written(x, tmp_path, zarr_format, mode):
    place = tmp_path / "source.zarr"
    zarr.create_array(place, data=x, chunks=(10, 16, 16), zarr_format=zarr_format, attributes={"made": "here"})
    kept = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    result = vrdask.resample_zarr(str(place), str(tmp_path / "target.zarr"), TARGET, mode=mode)
    assert_array_equal(result[:], vrdask.resample(x, TARGET, mode))
    again = zarr.open_array(tmp_path / "target.zarr", mode="r")
    assert again.metadata.zarr_format == 3
    assert again.chunks == (10, 16, 16)
    assert again.dtype == x.dtype
    attributes = dict(again.attrs)
    assert "mode" in attributes.pop("vrdask")["made"], "so that resume knows that nothing is left to do"
    assert attributes == {"made": "here"}
    assert_array_equal(again[:], result[:])
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == kept, "the source was changed"
    assert {path.name for path in (tmp_path / "target.zarr").iterdir()} == {"zarr.json", "c"}, "nothing else is left"


@given(chunks=chunks_of(TARGET), limit=st.sampled_from([None, 4_000_000]), shard=st.integers(1, 3))
def test_every_block_is_whole_units_of_the_target(chunks, limit, shard):
    chunk = tuple(max(sizes) for sizes in chunks)
    source = zarr.create_array(MemoryStore(), shape=SHAPE, chunks=(10, 16, 16), dtype="uint8")
    for shards in (None, tuple(shard * size for size in chunk)):
        unit = shards or chunk
        job = prepare(source, {}, TARGET, mode="cubic", chunks=chunk, shards=shards, memory_limit=limit, num_threads=2)
        assert job.target.unit == unit
        written = np.zeros(TARGET, int)
        for task in job.plan:
            written[tuple(slice(*interval) for interval in task.writes)] += 1
            for (start, stop), size, n in zip(task.writes, unit, TARGET, strict=True):
                assert start % size == 0
                assert stop % size == 0 or stop == n
        assert (written == 1).all()
        assert limit is None or job.blocks.peak_bytes <= limit


class Counting(LocalStore):
    """Counts how often each object is written."""

    writes: dict[str, int]

    async def set(self, key, value):
        self.writes[key] = self.writes.get(key, 0) + 1
        await super().set(key, value)


@pytest.mark.parametrize(("chunks", "shards"), [((7, 9, 10), None), ((4, 5, 6), (8, 10, 24)), (8, 16), (100, None)])
def test_each_chunk_or_shard_is_written_once(x, source, tmp_path, chunks, shards):
    store = Counting(tmp_path / "target.zarr")
    store.writes = {}
    result = vrdask.resample_zarr(source, store, TARGET, chunks=chunks, shards=shards, memory_limit="2MiB")
    assert_array_equal(result[:], vrdask.resample(x, TARGET))
    units = {key: count for key, count in store.writes.items() if key.startswith("c/")}
    assert set(units.values()) == {1}
    assert len(units) == np.prod([-(-n // u) for n, u in zip(TARGET, result.shards or result.chunks, strict=True)])


def test_chunks_shards_compressors_and_fill_value_are_the_sources_by_default(x, tmp_path):
    source = zarr.create_array(
        tmp_path / "source.zarr", shape=SHAPE, dtype="uint16", chunks=(4, 8, 8), shards=(8, 16, 16), fill_value=7,
        compressors=zarr.codecs.GzipCodec(level=3), dimension_names=("z", "y", "x"),
    )  # fmt: skip
    source[:] = x
    result = vrdask.resample_zarr(source, tmp_path / "target.zarr", (12, 25, 20))
    assert (result.chunks, result.shards, result.fill_value) == ((4, 8, 8), (8, 16, 16), 7)
    assert result.compressors == source.compressors
    assert result.metadata.dimension_names == ("z", "y", "x")
    plain = vrdask.resample_zarr(source, {}, (12, 25, 20), chunks=5, compressors=None, dtype="float32")
    assert (plain.chunks, plain.shards, plain.compressors, plain.dtype) == ((5, 5, 5), None, (), np.float32)
    assert_array_equal(plain[:], vrdask.resample(x, (12, 25, 20), dtype="float32"))


def test_chunks_that_hold_only_the_fill_value_are_right_whether_stored_or_not(tmp_path):
    x = np.zeros((40, 40), np.float32)
    x[30:, 30:] = 1
    source = zarr.create_array(tmp_path / "source.zarr", data=x, chunks=(10, 10))
    result = vrdask.resample_zarr(source, tmp_path / "target.zarr", (20, 20), mode="area", chunks=5)
    assert_array_equal(result[:], vrdask.resample(x, (20, 20), "area"))


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"factor": 0.5}, (12, 25, 20)),
        ({"factor": (2, 1, 0.3)}, (48, 50, 12)),
        ({"factor": (0.5,), "axes": (0,)}, (12, 50, 40)),
        ({"factor": 1e-9}, (1, 1, 1)),
        ({"factor": 1 / 3}, (8, 17, 13)),
        ({"shape": 10}, (24, 50, 10)),
        ({"shape": (10, 11), "axes": (0, 2)}, (10, 50, 11)),
    ],
)
def test_factor_and_shape_give_sizes(x, source, options, shape):
    result = vrdask.resample_zarr(source, {}, **options)
    assert_array_equal(result[:], vrdask.resample(x, shape))


def test_an_existing_array_is_written_into_as_it_is(x, source):
    target = zarr.create_array(MemoryStore(), shape=TARGET, dtype="uint16", chunks=(6, 25, 20), attributes={"a": 1})
    assert vrdask.resample_zarr(source, target, TARGET, mode="area") is not None
    assert_array_equal(target[:], vrdask.resample(x, TARGET, "area"))
    assert dict(target.attrs) == {"a": 1}
    assert target.chunks == (6, 25, 20)


def test_overwrite_replaces_what_is_there(x, source, tmp_path):
    target = tmp_path / "target.zarr"
    zarr.create_array(target, data=np.ones((500, 500)), chunks=(50, 50))
    result = vrdask.resample_zarr(source, target, TARGET, overwrite=True)
    assert_array_equal(result[:], vrdask.resample(x, TARGET))
    assert not (target / "c" / "9").exists(), "chunks of the old array are gone"


def corrupt(source, tmp_path):
    (tmp_path / "source.zarr" / "c" / "1" / "1" / "1").write_bytes(b"no chunk")
    return source, tmp_path / "target.zarr"


class Full(LocalStore):
    async def set(self, key, value):
        if key.startswith("c/2"):
            raise OSError(errno.ENOSPC, "no space left on device")
        await super().set(key, value)


def full(source, tmp_path):
    return source, Full(tmp_path / "target.zarr")


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("failing", "what"),
    [(corrupt, r"reading chunk c/1/1/1 .* of .*source\.zarr failed"), (full, "no space left on device")],
)
def test_after_a_failure_nothing_opens_and_overwrite_begins_anew(x, source, tmp_path, failing, what, threads):
    _, place = failing(source, tmp_path)
    seen = []
    with pytest.raises(Exception, match=what):
        vrdask.resample_zarr(
            source,
            place,
            TARGET,
            chunks=8,
            memory_limit="1MiB",
            progress=lambda *a: seen.append(a),
            num_threads=threads,
        )
    assert not opens(tmp_path / "target.zarr")
    sound = zarr.create_array(MemoryStore(), data=x, chunks=(16, 16, 16))
    result = vrdask.resample_zarr(sound, tmp_path / "target.zarr", TARGET, chunks=8, overwrite=True)
    assert_array_equal(result[:], vrdask.resample(x, TARGET))


def test_an_interrupted_run_leaves_nothing_that_opens(source, tmp_path):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vrdask.resample_zarr(source, tmp_path / "target.zarr", TARGET, chunks=8, progress=interrupt)
    assert not opens(tmp_path / "target.zarr")


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("place", ["source.zarr", "source.zarr/inside", "."])
@pytest.mark.parametrize("kind", [str, LocalStore, "array"])
def test_a_target_at_inside_or_above_the_source_is_refused(x, source, tmp_path, place, overwrite, kind):
    target = (tmp_path / place).resolve()
    read = source if kind == "array" else kind(tmp_path / "source.zarr")
    with pytest.raises((ValueError, FileExistsError), match="target must"):
        vrdask.resample_zarr(read, str(target) if kind in (str, "array") else kind(target), TARGET, overwrite=overwrite)
    assert_array_equal(zarr.open_array(tmp_path / "source.zarr")[:], x)


def test_a_target_at_the_source_in_one_memory_store_is_refused(x):
    store = MemoryStore()
    zarr.create_array(store, data=x, chunks=(16, 16, 16))
    with pytest.raises((ValueError, FileExistsError), match="target must"):
        vrdask.resample_zarr(store, store, TARGET, overwrite=True)
    assert_array_equal(zarr.open_array(store)[:], x)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("shards", [None, (16, 16, 32)])
def test_the_message_about_the_memory_limit_gives_the_smallest_that_works(x, source, mode, shards):
    options = {"mode": mode, "chunks": 8 if shards is None else (8, 8, 8), "shards": shards, "num_threads": 2}
    with pytest.raises(ValueError, match="memory_limit must be at least") as refused:
        vrdask.resample_zarr(source, {}, TARGET, memory_limit=1, **options)
    smallest = int(re.search(r"at least (\d+) bytes", str(refused.value)).group(1))
    with pytest.raises(ValueError, match=f"at least {smallest} bytes"):
        vrdask.resample_zarr(source, {}, TARGET, memory_limit=smallest - 1, **options)
    result = vrdask.resample_zarr(source, {}, TARGET, memory_limit=smallest, **options)
    assert_array_equal(result[:], vrdask.resample(x, TARGET, mode))


@pytest.mark.parametrize("threads", [1, 2])
def test_progress_counts_up_to_the_total(source, threads):
    seen = []
    vrdask.resample_zarr(
        source, {}, TARGET, chunks=10, progress=lambda *a: seen.append(a), num_threads=threads, memory_limit="1MiB"
    )
    done, totals = zip(*seen, strict=True)
    assert set(totals) == {np.prod(TARGET)}
    assert list(done) == sorted(set(done))
    assert done[-1] == np.prod(TARGET)
    assert len(done) > 1


@pytest.mark.parametrize("bar", ["tqdm", "plain"])
def test_a_bar_gets_the_total_and_counts_up_to_it(source, bar):
    class Plain:
        total = n = 0

        def update(self, more):
            self.n += more

    made = Plain() if bar == "plain" else tqdm(file=io.StringIO())
    vrdask.resample_zarr(source, {}, TARGET, chunks=10, progress=made, memory_limit="1MB")
    assert made.n == made.total == np.prod(TARGET)


@pytest.mark.parametrize("shards", [None, (16, 16, 16)])
def test_another_codec_pipeline_gives_the_same_bits(x, source, tmp_path, shards):
    pytest.importorskip("zarrs", reason="vrdask[zarrs] is not installed")
    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
        place = zarr.open_array(tmp_path / "source.zarr", mode="r")
        result = vrdask.resample_zarr(place, tmp_path / "target.zarr", TARGET, mode="cubic", chunks=8, shards=shards)
        assert_array_equal(result[:], vrdask.resample(x, TARGET, "cubic"))
    assert_array_equal(zarr.open_array(tmp_path / "target.zarr", mode="r")[:], vrdask.resample(x, TARGET, "cubic"))


@pytest.mark.slow
def test_on_a_cluster_it_is_the_same_array(x, source, tmp_path, client):
    seen = []
    result = vrdask.resample_zarr(
        source, tmp_path / "target.zarr", TARGET, mode="cubic", chunks=8, shards=16, progress=lambda *a: seen.append(a)
    )
    assert_array_equal(result[:], vrdask.resample(x, TARGET, "cubic"))
    assert seen[-1] == (np.prod(TARGET), np.prod(TARGET))
    corrupt(source, tmp_path)
    with pytest.raises(Exception, match="reading chunk c/1/1/1 "):
        vrdask.resample_zarr(source, tmp_path / "other.zarr", TARGET)
    assert not opens(tmp_path / "other.zarr")


@pytest.mark.slow
@pytest.mark.usefixtures("client")
def test_a_memory_store_that_workers_cannot_share_is_no_silent_loss(x, source):
    # each worker process would write into its own copy: either refuse, or give the result
    with suppress(TypeError, ValueError):
        result = vrdask.resample_zarr(source, MemoryStore(), TARGET)
        assert_array_equal(result[:], vrdask.resample(x, TARGET))
