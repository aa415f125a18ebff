"""What tasks share of stored chunks: decoded as often, and kept in as little memory, as the arithmetic says."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from math import prod

import numcodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vrdask.boxes import parts_of, regular_edges, slices_of, within
from vrdask.planning import decoding
from vrdask.planning.decoding import Decoding, decodings
from vrdask.planning.plan import ResamplePlan, plan_resample
from vrdask.planning.sharing import WORTH_CUTTING, Sharing
from vrdask.planning.task_order import Columns
from vrdask.runs.cache_policies import ByPlan, ByRecency
from vrdask.runs.chunk_cache import ChunkCache
from vrdask.runs.workers import run_on_threads
from vrdask.storage import frames
from vrdask.storage.chunk_codec import ChunkCodec


@dataclass
class Chunks:
    """An array in memory that counts the samples which are decoded, as `ChunkIO` does: chunks are cut short where the
    rest of their first long axis is not needed.
    """

    x: np.ndarray
    edges: tuple
    decoded: int = 0
    seconds: float = 0
    mutex: threading.Lock = field(default_factory=threading.Lock)

    def parts(self, box):
        return parts_of(box, self.edges)

    def part(self, index, part, empty):
        return self.chunk(index, part)[within(part, self.place(index))]

    def place(self, index):
        return tuple((int(edges[k]), int(edges[k + 1])) for edges, k in zip(self.edges, index, strict=True))

    def chunk(self, index, needed):
        place = self.place(index)
        rows = next((axis for axis, edges in enumerate(self.edges) if np.diff(edges).max() > 1), 0)
        start, stop = place[rows]
        if needed[rows][1] - start <= WORTH_CUTTING * (stop - start):
            place = (*place[:rows], (start, needed[rows][1]), *place[rows + 1 :])
        samples = self.x[slices_of(place)].copy()
        time.sleep(self.seconds)
        with self.mutex:
            self.decoded += samples.nbytes
        return samples


@st.composite
def plans(draw) -> ResamplePlan:
    ndim = draw(st.integers(1, 3))
    shape = tuple(draw(st.integers(1, 60 // ndim)) for _ in range(ndim))
    return plan_resample(
        shape,
        tuple(draw(st.integers(1, 40 // ndim)) for _ in range(ndim)),
        draw(st.sampled_from(["nearest", "linear", "area", "lanczos", "cubic"])),
        in_chunks=tuple(draw(st.integers(1, n)) for n in shape),
        out_chunks=tuple(draw(st.integers(2, 12)) for _ in range(ndim)),
        dtype="uint16",
    )


def run(
    plan: ResamplePlan, choice: Decoding, numbers=None, threads: int = 1, in_parts: bool = False
) -> tuple[int, int]:
    """Bytes that are decoded and at most kept while tasks read their boxes, each of which must be right."""
    shape = plan.resampling.in_shape
    x = np.arange(prod(shape), dtype=np.uint16).reshape(shape)
    chunks = Chunks(x, plan.in_edges, seconds=0.0002 if threads > 1 else 0)
    policy = ByPlan(Sharing(plan, choice.keep, threads, in_parts, choice.column), x.dtype, choice.cache)
    cache = ChunkCache(chunks, policy, x.dtype)
    most = 0

    def read(number: int) -> None:
        nonlocal most
        task = plan[number]
        with cache.reading(task.index) as read:
            start, stop = task.reads[0]
            cuts = [(start, stop)] if not in_parts else [(at, min(at + 3, stop)) for at in range(start, stop, 2)]
            for cut in cuts:
                box = (cut, *task.reads[1:])
                np.testing.assert_array_equal(read(box), x[slices_of(box)])
                most = max(most, policy.bytes)

    in_order = Columns(plan.shape, choice.column).numbers()
    list(run_on_threads(read, in_order if numbers is None else numbers, threads))
    return chunks.decoded, most


@given(plans())
def test_runs_decode_what_their_plans_say_in_the_memory_that_they_say(plan):
    choices = decodings(plan, 1, by_rows=True)
    assert [one.decoded for one in choices] == sorted((one.decoded for one in choices), reverse=True)
    for choice in choices:
        decoded, most = run(plan, choice)
        assert decoded <= choice.decoded  # less where what is kept for a later layer serves a neighbour, too
        assert most <= choice.cache


@given(plans(), st.integers(1, 20), st.integers(0, 40))
def test_where_too_much_is_shared_fewer_ways_are_looked_at_that_hold_as_well(plan, columns_of, most_shared):
    least = min(one.decoded for one in decodings(plan, 1, by_rows=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "COLUMNS_OF", columns_of)
        patch.setattr(decoding, "MOST_SHARED", most_shared)
        choices = decodings(plan, 1, by_rows=False)
    assert choices[0].cache == 0
    assert choices[0].decoded == plan.bytes_read
    for choice in choices:
        assert choice.decoded >= least
        decoded, most = run(plan, choice)
        assert decoded <= choice.decoded
        assert most <= choice.cache


@given(plans(), st.data())
def test_tasks_that_are_skipped_or_come_in_any_order_read_what_they_should(plan, data):
    numbers = data.draw(st.permutations(range(len(plan))))[: data.draw(st.integers(0, len(plan)))]
    choice = data.draw(st.sampled_from(decodings(plan, 2, by_rows=True)))
    assert run(plan, choice, numbers, in_parts=data.draw(st.booleans()))[1] <= choice.cache


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(1, 7)), max_size=4))
def test_columns_hold_every_task_once_in_c_order(axes):
    shape, sizes = (tuple(axis[k] for axis in axes) for k in (0, 1))
    columns = Columns(shape, sizes)
    numbers = list(columns.numbers())
    assert sorted(numbers) == list(range(prod(shape)))
    places = [columns.index(position) for position in range(len(numbers))]
    assert [columns.position(index) for index in places] == list(range(len(numbers)))
    assert numbers == [int(np.ravel_multi_index(index, shape)) if shape else 0 for index in places]
    assert places == sorted(
        places, key=lambda index: ([k // size for k, size in zip(index, sizes, strict=True)], index)
    )


def test_threads_share_what_they_decode():
    plan = plan_resample((96,) * 3, (48,) * 3, "cubic", in_chunks=16, out_chunks=8, dtype="uint16")
    *_, choice = decodings(plan, 2, by_rows=True)
    decoded, most = run(plan, choice, threads=2)
    assert decoded <= 1.2 * choice.decoded
    assert most <= choice.cache


def test_pieces_come_in_c_order_whoever_decodes_them():
    plan = plan_resample((64, 64), (32, 32), "cubic", in_chunks=8, out_chunks=16, dtype="uint16")
    x = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    chunks = Chunks(x, plan.in_edges, seconds=0.001)
    choice = decodings(plan, 2, by_rows=True)[-1]
    policy = ByPlan(Sharing(plan, choice.keep, 2, column=choice.column), x.dtype, choice.cache)
    cache = ChunkCache(chunks, policy, x.dtype)

    def read(number: int) -> None:
        task = plan[number]
        with cache.reading(task.index) as reader:
            found = []
            for part, samples in reader.by_chunk(task.reads):
                np.testing.assert_array_equal(samples, x[slices_of(part)])
                found.append(part)
        assert found == [part for _, part in parts_of(task.reads, plan.in_edges)]

    list(run_on_threads(read, range(len(plan)), 2))


def test_parts_of_a_task_share_what_they_decode():
    plan = plan_resample((96, 96), (48, 48), "cubic", in_chunks=16, out_chunks=12, dtype="uint16")
    for choice in decodings(plan, 1, by_rows=False, in_parts=True):
        decoded, most = run(plan, choice, in_parts=True)
        assert decoded <= choice.decoded
        assert most <= choice.cache


def test_a_chunk_that_cannot_be_decoded_is_tried_again_by_the_next_task():
    plan = plan_resample((32,), (16,), "cubic", in_chunks=32, out_chunks=8)
    chunks = Chunks(np.arange(32, dtype=np.float32), plan.in_edges)
    policy = ByPlan(Sharing(plan, decodings(plan, 1, False)[-1].keep), chunks.x.dtype, 1 << 20)
    cache = ChunkCache(chunks, policy, chunks.x.dtype)
    chunks.x, kept = None, chunks.x
    with pytest.raises(TypeError), cache.reading((0,)) as read:
        read(((0, 20),))
    chunks.x = kept
    with cache.reading((1,)) as read:
        np.testing.assert_array_equal(read(((4, 32),)), kept[4:])


@pytest.mark.parametrize("threads", [1, 2])
def test_the_latest_chunks_are_kept_within_their_bytes(threads):
    x = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    chunks = Chunks(x, [regular_edges(64, 16)] * 2, seconds=0.001)
    policy = ByRecency(4 * 16 * 16 * x.itemsize)
    cache = ChunkCache(chunks, policy, x.dtype)
    boxes = [((at, at + 8), (k, k + 16)) for at in range(0, 56, 4) for k in (0, 16, 24, 32, 48)]

    def read(number: int) -> None:
        with cache.reading((number,)) as reader:
            np.testing.assert_array_equal(reader(boxes[number]), x[slices_of(boxes[number])])
        assert policy.bytes <= 4 * 16 * 16 * x.itemsize

    list(run_on_threads(read, range(len(boxes)), threads))
    assert x.nbytes <= chunks.decoded <= 2.5 * x.nbytes
    many = ByRecency(x.nbytes)
    cache, before = ChunkCache(chunks, many, x.dtype), chunks.decoded
    list(run_on_threads(read, range(len(boxes)), threads))
    assert chunks.decoded - before == x.nbytes == many.bytes


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "f8"])
@pytest.mark.parametrize("level", [-5, 0, 9])
@pytest.mark.parametrize("checksum", [False, True])
def test_the_beginning_of_a_chunk_is_that_of_the_whole(dtype, level, checksum):
    x = np.random.default_rng(0).normal(100, 20, (1, 40, 50, 60)).astype(dtype)
    codec = ChunkCodec(x.dtype, x.dtype.newbyteorder("="), x.shape, numcodecs.Zstd(level, checksum=checksum))
    stored = codec.encode(x)
    assert codec.row_axis == 1
    assert codec.by_rows != checksum, "a checksum stands at the end, and is of the whole"
    for rows in (1, 17, 30, 39, 40):
        decoded = codec.decode(stored, rows=rows)
        assert decoded.shape[1] == (rows if codec.by_rows and rows <= WORTH_CUTTING * 40 else 40)
        np.testing.assert_array_equal(decoded[:, :rows], x[:, :rows])


@pytest.mark.parametrize("stored", [b"", b"\0" * 100, bytes(numcodecs.Zstd().encode(b"x" * 100))[:-9]])
def test_a_frame_that_is_broken_or_too_short_is_refused(stored):
    with pytest.raises(ValueError, match="zstd frame of 100 bytes"):
        frames.decode_beginning(stored, np.empty(90, np.uint8), 100)


def test_a_frame_of_another_size_or_with_a_checksum_is_no_beginning():
    out = np.empty(90, np.uint8)
    for stored in (numcodecs.Zstd().encode(b"x" * 99), numcodecs.Zstd(checksum=True).encode(b"x" * 100)):
        assert not frames.decode_beginning(bytes(stored), out, 100)
    assert frames.decode_beginning(bytes(numcodecs.Zstd().encode(b"x" * 100)), out, 100)
    assert (out == ord("x")).all()
