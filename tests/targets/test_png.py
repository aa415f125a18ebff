"""PNG targets: what other readers read is what was written, in the same bytes from any number of threads."""

from __future__ import annotations

import io
import os
import struct
import sys
import threading
import tracemalloc
import zlib
from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

import vrdask
from vrdask.targets import png, shown
from vrdask.targets.png import FILTERS, Form, filtered, nearest_of_three, write_png

imagecodecs = pytest.importorskip("imagecodecs")
data = pytest.importorskip("skimage.data")

RNG = np.random.default_rng(5)


def form_of(x):
    return Form(x.shape[0], x.shape[1], x.shape[2] if x.ndim == 3 else 1, 8 * x.itemsize)


def written(x, threads=1):
    file = io.BytesIO()
    write_png(file, form_of(x), lambda start, stop: x[start:stop], threads)
    return file.getvalue()


def by_pillow(x):
    file = io.BytesIO()
    Image.fromarray(x).save(file, format="PNG", compress_level=4)
    return len(file.getvalue())


def chunks_of(file):
    """Kinds and contents of a file's chunks, whose checksums are right."""
    at, found = len(png.MAGIC), []
    assert file.startswith(png.MAGIC)
    while at < len(file):
        size, kind = struct.unpack_from(">I4s", file, at)
        content = file[at + 8 : at + 8 + size]
        assert int.from_bytes(file[at + 8 + size : at + 12 + size], "big") == zlib.crc32(kind + content)
        found.append((kind, content))
        at += 12 + size
    return found


def sloped(shape, dtype):
    """Slopes, with a little noise in one half."""
    axes = np.meshgrid(*map(np.arange, shape), indexing="ij")
    x = sum((3 + 2 * k) * axis for k, axis in enumerate(axes)) * (1 if dtype == "u1" else 41)
    x[shape[0] // 2 :] += RNG.integers(0, 9, x[shape[0] // 2 :].shape)
    return x.astype(dtype)


KINDS = {
    "noise": lambda shape, dtype: RNG.integers(0, np.iinfo(dtype).max + 1, shape, dtype),
    "slopes": sloped,
    "one value": lambda shape, dtype: np.full(shape, 200, dtype),
}
SIZES = [(1, 1), (1, 300), (300, 1), (2, 3), (7, 5), (37, 41), (64, 100)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dtype", "samples"), [("u1", 1), ("u1", 2), ("u1", 3), ("u1", 4), ("u2", 1)])
@pytest.mark.parametrize("strip_bytes", [1, 1000, 1 << 19])
def test_readers_read_what_was_written(monkeypatch, kind, dtype, samples, strip_bytes):
    monkeypatch.setattr(png, "STRIP_BYTES", strip_bytes)
    for size in SIZES:
        x = KINDS[kind](size if samples == 1 else (*size, samples), dtype)
        file = written(x)
        with Image.open(io.BytesIO(file)) as picture:
            assert_array_equal(np.asarray(picture), x)
        assert_array_equal(imagecodecs.png_decode(file), x)
        assert file == written(x, 2) == written(x, 3)


def test_a_file_is_one_stream_of_strips(monkeypatch):
    monkeypatch.setattr(png, "STRIP_BYTES", 3 * 41)
    x = KINDS["slopes"]((17, 41), "u1")
    assert [*form_of(x).strips()] == [(0, 3), (3, 6), (6, 9), (9, 12), (12, 15), (15, 17)]
    kinds, contents = zip(*chunks_of(written(x, 2)), strict=True)
    assert kinds == (b"IHDR", *[b"IDAT"] * (1 + 6 + 1), b"IEND")
    stream = zlib.decompressobj()
    rows = stream.decompress(b"".join(contents[1:-1]))
    assert (stream.eof, stream.unused_data, len(rows)) == (True, b"", 17 * 42)
    monkeypatch.setattr(png, "LARGEST_CHUNK", 7)
    more = chunks_of(written(x, 2))
    assert max(len(content) for kind, content in more if kind == b"IDAT") == 7
    assert b"".join(content for kind, content in more if kind == b"IDAT") == b"".join(contents[1:-1])


def unfiltered(rows, above, number, pixel_bytes):
    """As the standard says it, byte by byte."""
    result = np.zeros(rows.shape, int)
    for row, column in np.ndindex(rows.shape):
        up = int(above[row, column])
        left, corner = (
            (int(result[row, column - pixel_bytes]), int(above[row, column - pixel_bytes]))
            if column >= pixel_bytes
            else (0, 0)
        )
        result[row, column] = (int(rows[row, column]) + foretold(number, left, up, corner)) % 256
    return result


def foretold(number, left, up, corner):
    estimate = left + up - corner
    by_distance = sorted((left, up, corner), key=lambda value: abs(estimate - value))  # of equals the first
    return (0, left, up, (left + up) // 2, by_distance[0])[number]


@pytest.mark.parametrize(("number", "pixel_bytes"), [*product(FILTERS, (1, 2, 3, 4))])
def test_filters_are_those_of_the_standard(number, pixel_bytes):
    x = RNG.integers(0, 256, (7, 8 * pixel_bytes), np.uint8)
    x[3:] //= 32
    rows, above = x[1:], x[:-1]
    found = filtered(rows, above, number, pixel_bytes)
    assert_array_equal(unfiltered(found, above, number, pixel_bytes), rows)
    assert number == 0 or (found != rows).any()


def test_nearest_of_any_three():
    some = [*range(0, 256, 5), 1, 2, 127, 128, 254]
    before, above, corner = np.array(list(product(some, repeat=3)), np.uint8).T
    first, second, third = (values.astype(int) for values in (before, above, corner))
    distances = [abs(first + second - third - values) for values in (first, second, third)]
    expected = np.stack([before, above, corner])[np.argmin(distances, 0), np.arange(len(before))]
    assert_array_equal(nearest_of_three(before, above, corner), expected)


def drawing():
    """Colours in squares: of which a sample may find one alone."""
    return RNG.integers(0, 256, (40, 30, 3), np.uint8).repeat(25, 0).repeat(25, 1)


def disks():
    y, x = np.mgrid[:900, :1100]
    return ((np.hypot(y % 200 - 100, x % 180 - 90) < 70) * 255).astype(np.uint8)


PICTURES = {
    **{name: getattr(data, name) for name in ("astronaut", "chelsea", "coins", "retina", "page", "text")},
    "drawing": drawing,
    "disks": disks,
    "slopes": lambda: sloped((700, 900), "u2"),
    "noise": lambda: KINDS["noise"]((300, 400, 3), "u1"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_files_are_about_as_small_as_pillow_makes_them(name):
    x = np.asarray(PICTURES[name]())
    assert len(written(x)) <= 1.15 * by_pillow(x)


def test_few_strips_are_there_at_a_time(monkeypatch):
    rows, columns = 3000, 4000
    line = KINDS["noise"]((1, columns), "u1")
    tracemalloc.start()
    with open(os.devnull, "wb") as nowhere:
        for threads in (1, 3):
            tracemalloc.reset_peak()
            write_png(nowhere, Form(rows, columns, 1, 8), lambda start, stop: line.repeat(stop - start, 0), threads)
            assert tracemalloc.get_traced_memory()[1] < (2 + 6 * threads) * png.STRIP_BYTES
    tracemalloc.stop()
    there = most = 0
    encoded, put = png._encoded, png._put

    def counted(*arguments, **more):
        nonlocal there, most
        there += 1
        most = max(most, there)
        return encoded(*arguments, **more)

    def counting(file, kind, content):
        nonlocal there
        there -= kind == b"IDAT" and len(content) > 4
        put(file, kind, content)

    monkeypatch.setattr(png, "_encoded", counted)
    monkeypatch.setattr(png, "_put", counting)
    monkeypatch.setattr(png, "STRIP_BYTES", 4000)
    monkeypatch.setattr(png, "AT_ONCE_BYTES", 3 * 4000)  # rows so long that one is a strip
    written(line.repeat(40, 0), 3)
    assert most <= 4


def test_a_row_that_fails_fails_the_file(monkeypatch):
    monkeypatch.setattr(png, "STRIP_BYTES", 100)

    def rows(start, stop):
        if start > 50:
            raise OSError("no such rows")
        return np.zeros((stop - start, 100), np.uint8)

    for threads in (1, 3):
        with pytest.raises(OSError, match="no such rows"):
            write_png(io.BytesIO(), Form(90, 100, 1, 8), rows, threads)


def test_where_no_thread_can_start_it_is_done_here(monkeypatch):
    monkeypatch.setattr(png, "STRIP_BYTES", 500)
    x = KINDS["slopes"]((40, 100), "u1")
    expected = written(x)
    started = threading.Thread.start
    for most in (0, 1):
        count = 0

        def start(thread, most=most):
            nonlocal count
            count += 1
            if count > most:
                raise RuntimeError("can't start new thread")
            started(thread)

        monkeypatch.setattr(threading.Thread, "start", start)
        assert written(x, 3) == expected
        assert count > most


TARGETS = {
    "colours": (KINDS["slopes"]((90, 70, 3), "u1"), {}),
    "16 bits": (KINDS["noise"]((90, 70), "u2"), {"dtype": "uint16"}),
    "16 bits, for eyes": (KINDS["slopes"]((90, 70), "u2"), {}),
    "signed": (KINDS["noise"]((90, 70), "i2"), {}),
    "bool": (KINDS["noise"]((90, 70), "u1") > 100, {"mode": "nearest"}),
    "floats": (RNG.random((90, 70)).astype("f4"), {"window": (0, 1)}),
}


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_has_the_same_bytes_from_any_number_of_threads(tmp_path, monkeypatch, name):
    monkeypatch.setattr(png, "STRIP_BYTES", 700)
    monkeypatch.setattr(shown, "ROWS_BYTES", 900)
    x, options = TARGETS[name]
    how = {"mode": "linear", "axes": (0, 1), **options}
    files = []
    for threads in (1, 2, 3):
        vrdask.resample_zarr(x, tmp_path / "x.png", (61, 53), num_threads=threads, overwrite=True, **how)
        files.append((tmp_path / "x.png").read_bytes())
    assert files[0] == files[1] == files[2]
    window = how.pop("window", None)
    expected = vrdask.resample(x, (61, 53), **how)
    if expected.dtype == bool:
        expected = expected * np.uint8(255)
    elif name in ("16 bits, for eyes", "signed", "floats"):
        low, high = window or (float(expected.min()), float(expected.max()))
        expected = np.rint(np.clip((expected.astype(float) - low) * (255 / (high - low)), 0, 255)).astype(np.uint8)
    with Image.open(io.BytesIO(files[0])) as picture:
        assert_array_equal(np.asarray(picture), expected)
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_what_is_cut_off_leaves_nothing(tmp_path, monkeypatch, error):
    def cut_off(file, *others):
        file.write(png.MAGIC)
        raise error

    monkeypatch.setattr(shown, "write_png", cut_off)
    with pytest.raises(error):
        vrdask.resample_zarr(np.zeros((9, 9), "u1"), tmp_path / "x.png", factor=1)
    assert list(tmp_path.iterdir()) == []


def test_png_needs_no_package(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "PIL"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "PIL", None)
    x = KINDS["slopes"]((20, 30), "u1")
    vrdask.resample_zarr(x, tmp_path / "x.png", factor=1, mode="nearest")
    with pytest.raises(ModuleNotFoundError, match=r"needs the package pillow: pip install 'vrdask\[images\]'"):
        vrdask.resample_zarr(x, tmp_path / "x.jpg", factor=1)
    monkeypatch.undo()
    assert_array_equal(imagecodecs.png_decode((tmp_path / "x.png").read_bytes()), x)


@pytest.mark.parametrize("shape", [(0, 6, 7), (6, 7, 0)], ids=str)
def test_nothing_is_no_picture(tmp_path, shape):
    axes = tuple(axis for axis, n in enumerate(shape) if n)
    with pytest.raises(ValueError, match=r"a PNG must show at least one sample; got"):
        vrdask.resample_zarr(np.zeros(shape, "u1"), tmp_path / "x.png", (3, 4), axes=axes)
