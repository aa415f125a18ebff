"""The most resident memory of runs is what their plans say, or less: modes, dtypes, layouts and sources.

By default each source is run with two settings, such that every mode and dtype comes up. With ``VRDASK_MEMORY=all`` in
the environment each is run in every mode and dtype, which takes some ten minutes.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

tifffile = pytest.importorskip("tifffile")
nibabel = pytest.importorskip("nibabel")
pytest.importorskip("pydicom")
Picture = pytest.importorskip("PIL.Image")
h5py = pytest.importorskip("h5py")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc"),
]

SOURCE_BYTES = 48 << 20
OBJECTS = 4 << 20
"""What the interpreter and zarr hold besides samples, whatever the size."""
RATIO = 1.1
LIMIT = 40 << 20
"""Of a run, or the least that can be planned: smaller than the source and the result."""

MODES = ("nearest", "linear", "area", "cubic", "lanczos")
DTYPES = ("uint8", "uint16", "float32")

RUNS = """
import ctypes, json, os, re, zarr, numpy, vrdask
from vrdask.api import affine_zarr as affine_to_zarr, resample_zarr as zarr_to_zarr

def memory(name):
    return 1024 * next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))

def prepared(source, target, options):
    prepare = (affine_to_zarr if "matrix" in options else zarr_to_zarr).prepare
    try:
        return prepare(source, target, **options)
    except ValueError as error:
        least = int(re.search("memory_limit must be at least ([0-9]+)", str(error))[1])
        return prepare(source, target, **options | {"memory_limit": least})

found = []
for source, target, options in json.loads(os.environ["JOBS"]):
    small = zarr.create_array({}, data=numpy.zeros((40,) * 2, options.pop("small")), chunks=(20, 20))
    if "matrix" in options:
        how = {"mode": options["mode"], "dtype": options.get("dtype"), "num_threads": 2}
        vrdask.affine_zarr(small, target + ".warm.zarr", [[0.9, 0.1], [-0.1, 0.9]], **how)
    else:
        vrdask.resample_zarr(small, target + ".warm.zarr", mode=options["mode"], factor=0.5, num_threads=2)
    job = prepared(source, target, options | {"num_threads": 2})
    planned = job.blocks.peak_bytes
    ctypes.CDLL(None).malloc_trim(0)  # what is free is not used again in silence
    open("/proc/self/clear_refs", "w").write("5")  # the peak is that of the run from here on
    before = memory("VmRSS")
    job.run()
    found.append([planned, memory("VmHWM") - before])
    del job
print(json.dumps(found))
"""


def _noise(shape: tuple[int, ...], dtype: str) -> Any:
    """Which no codec makes smaller."""
    rng = np.random.default_rng(0)
    if dtype == "float32":
        return rng.random(shape, np.float32)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype)


def _sized(*sizes: int, dtype: str) -> tuple[int, ...]:
    """A shape of `SOURCE_BYTES`, whose first size is free."""
    return (SOURCE_BYTES // (prod(sizes) * np.dtype(dtype).itemsize), *sizes)


def _zarr(place: Path, x: Any, **layout: Any) -> Path:
    zarr.create_array(place, data=x, **layout)
    return place


def _plain(place: Path, dtype: str) -> Path:
    return _zarr(place, _noise(_sized(256, 256, dtype=dtype), dtype), chunks=(64, 64, 64))


def _shards(place: Path, dtype: str) -> Path:
    return _zarr(place, _noise(_sized(256, 256, dtype=dtype), dtype), chunks=(32, 32, 32), shards=(64, 64, 64))


def _thin(place: Path, dtype: str) -> Path:
    return _zarr(place, _noise(_sized(512, 512, dtype=dtype), dtype), chunks=(1, 512, 512))


def _long_rows(place: Path, dtype: str) -> Path:
    return _zarr(place, _noise(_sized(64, dtype=dtype)[::-1], dtype), chunks=(64, 4096))


def _slide(place: Path, dtype: str) -> Path:
    shape = (*_sized(4096, 3, dtype=dtype)[:2], 3)
    return _zarr(place, _noise(shape, dtype), chunks=(512, 512, 3))


def _one_axis(place: Path, dtype: str) -> Path:
    return _zarr(place, _noise(_sized(dtype=dtype), dtype), chunks=(1 << 17,))


def _npy(place: Path, dtype: str) -> Path:
    np.save(place.with_suffix(".npy"), _noise(_sized(256, 256, dtype=dtype), dtype))
    return place.with_suffix(".npy")


def _nii(place: Path, dtype: str) -> Path:
    path = place.with_suffix(".nii")
    nibabel.save(nibabel.Nifti1Image(_noise(_sized(256, 256, dtype=dtype), dtype), np.eye(4)), path)
    return path


def _scaled_nii(place: Path, dtype: str) -> Path:
    path = place.with_suffix(".nii")
    image = nibabel.Nifti1Image(_noise(_sized(256, 256, dtype=dtype), dtype), np.eye(4))
    image.header.set_slope_inter(0.5, 3)
    nibabel.save(image, path)
    return path


def _nii_gz(place: Path, dtype: str) -> Path:
    plain = _nii(place, dtype)
    path = plain.with_suffix(".nii.gz")
    with gzip.open(path, "wb", 1) as file:
        file.write(plain.read_bytes())
    plain.unlink()
    return path


def _tiff(place: Path, dtype: str, **layout: Any) -> Path:
    path = place.with_suffix(".tif")
    tifffile.imwrite(path, _noise(_sized(4096, dtype=dtype), dtype), photometric="minisblack", **layout)
    return path


def _tiff_tiles(place: Path, dtype: str) -> Path:
    return _tiff(place, dtype, tile=(256, 256), compression="zlib")


def _tiff_strips(place: Path, dtype: str) -> Path:
    return _tiff(place, dtype, rowsperstrip=16)


def _slices(place: Path, dtype: str, rows: int = 512, **layout: Any) -> Path:
    place.mkdir()
    for number, one in enumerate(_noise(_sized(rows, 512, dtype=dtype), dtype)):
        tifffile.imwrite(place / f"{number}.tif", one, **layout)
    return place


def _packed_slices(place: Path, dtype: str) -> Path:
    return _slices(place, dtype, 1024, compression="zlib", rowsperstrip=64)


def _dicom(place: Path, dtype: str) -> Path:
    from dicom_files import series

    stored = "uint16" if dtype == "float32" else dtype
    series(place, _noise(_sized(512, 512, dtype=dtype), stored), RescaleSlope=0.5, RescaleIntercept=-100)
    return place


def _png(place: Path, dtype: str) -> Path:
    stored = "uint16" if dtype == "float32" else dtype
    path = place.with_suffix(".png")
    Picture.fromarray(_noise(_sized(4096, dtype=stored), stored)).save(path, compress_level=1)
    return path


def _hdf5(place: Path, dtype: str, **layout: Any) -> Path:
    path = place.with_suffix(".h5")
    with h5py.File(path, "w") as file:
        file.create_dataset("raw", data=_noise(_sized(256, 256, dtype=dtype), dtype), **layout)
    return path


def _hdf5_chunks(place: Path, dtype: str) -> Path:
    return _hdf5(place, dtype, chunks=(64, 64, 64), compression="gzip", compression_opts=1)


SOURCES = {
    "zarr, chunks": _plain,
    "zarr, shards": _shards,
    "zarr, thin chunks": _thin,
    "zarr, long rows": _long_rows,
    "zarr, a slide": _slide,
    "zarr, one axis": _one_axis,
    "npy": _npy,
    "nii": _nii,
    "nii, scaled": _scaled_nii,
    "nii.gz": _nii_gz,
    "tiff, tiles": _tiff_tiles,
    "tiff, strips": _tiff_strips,
    "tiff slices": _slices,
    "tiff slices, packed": _packed_slices,
    "dicom series": _dicom,
    "png": _png,
    "hdf5, chunks": _hdf5_chunks,
    "hdf5": _hdf5,
}


def _settings(number: int) -> list[tuple[str, str]]:
    """Mode and dtype of the runs of a source."""
    if os.environ.get("VRDASK_MEMORY") == "all":
        return list(product(MODES, DTYPES))
    return [(MODES[(2 * number + k) % len(MODES)], DTYPES[number % len(DTYPES)]) for k in (0, 1)]


@pytest.mark.parametrize("name", SOURCES)
def test_runs_take_what_their_plans_say_or_less(tmp_path, python, name):
    number = list(SOURCES).index(name)
    jobs: list[tuple[str, str, dict[str, Any]]] = []
    made: dict[str, Path] = {}
    for count, (mode, dtype) in enumerate(_settings(number)):
        if dtype not in made:
            made[dtype] = SOURCES[name](tmp_path / dtype, dtype)
        options = {
            "mode": mode, "factor": (0.5, 0.7)[(number + count) % 2], "memory_limit": LIMIT if count % 2 else None,
            "small": dtype,
        }  # fmt: skip
        if name == "zarr, a slide":
            options["axes"] = (0, 1)
        jobs.append((str(made[dtype]), str(tmp_path / f"{count}.zarr"), options))
    found = json.loads(python(RUNS, JOBS=json.dumps(jobs)))
    taken = {
        f"{options['mode']} {Path(source).stem}, {options['factor']}, {options['memory_limit']}": (planned, peak)
        for (source, _, options), (planned, peak) in zip(jobs, found, strict=True)
    }
    for run, (planned, peak) in taken.items():
        print(f"{name}: {run}: planned {planned >> 20} MiB, took {peak >> 20}, {peak / planned:.2f}")
    assert not {run: each for run, each in taken.items() if each[1] > RATIO * each[0] + OBJECTS}


TURNS = {
    "zarr, chunks": ("linear", "uint16", {}),
    "zarr, shards": ("cubic", "uint8", {"chunks": 32, "shards": 256}),
    "npy": ("cubic", "float32", {}),
    "nii, scaled": ("nearest", "uint16", {"dtype": "uint8"}),
    "tiff, tiles": ("linear", "uint8", {"dtype": "float32"}),
}


@pytest.mark.parametrize("name", TURNS)
def test_turns_take_what_their_plans_say_or_less(tmp_path, python, name):
    mode, dtype, more = TURNS[name]
    source = SOURCES[name](tmp_path / dtype, dtype)
    turn = np.deg2rad(20)
    matrix = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    options = {"mode": mode, "matrix": matrix, "offset": [30, -20], "small": dtype, **more}
    jobs = [
        (str(source), str(tmp_path / f"{limit}.zarr"), {**options, "memory_limit": limit}) for limit in (LIMIT, None)
    ]
    for planned, peak in json.loads(python(RUNS, JOBS=json.dumps(jobs))):
        print(f"{name}: {mode}: planned {planned >> 20} MiB, took {peak >> 20}, {peak / planned:.2f}")
        assert peak <= RATIO * planned + OBJECTS


LONG_AXIS = """
import json, time, numpy, scipy.ndimage, vrdask

def memory(name):
    return 1024 * next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))

x = numpy.random.default_rng(0).random(2_000_000).astype("float32")
vrdask.resample(x[:4000], 2000, "cubic", num_threads=1)
scipy.ndimage.zoom(x[:4000], 0.5, order=3, mode="reflect", grid_mode=True)
open("/proc/self/clear_refs", "w").write("5")
before = memory("VmRSS")
seconds, scipys = [], []
for number in range(7):
    begun = time.perf_counter()
    ours = vrdask.resample(x, 1_000_000, "cubic", num_threads=1)
    seconds.append(time.perf_counter() - begun)
    growth = growth if number else memory("VmHWM") - before
    begun = time.perf_counter()
    expected = scipy.ndimage.zoom(x, 0.5, order=3, mode="reflect", grid_mode=True)
    scipys.append(time.perf_counter() - begun)
print(json.dumps([growth, min(seconds), min(scipys), float(abs(ours - expected).max())]))
"""


def test_an_axis_of_millions_takes_neither_the_memory_nor_the_time_of_its_tables(python):
    growth, seconds, scipys, difference = json.loads(python(LONG_AXIS))
    assert growth <= 32 << 20
    assert seconds <= 3 * scipys
    assert difference <= 2e-6


def test_tables_of_long_rows_are_in_the_plan(tmp_path, python):
    x = _noise((64, 200_000), "uint16")
    options = {"mode": "cubic", "factor": 0.5, "memory_limit": "64MiB", "small": "uint16"}
    source = _zarr(tmp_path / "in.zarr", x, chunks=(64, 4096))
    ((planned, peak),) = json.loads(python(RUNS, JOBS=json.dumps([(str(source), str(tmp_path / "out.zarr"), options)])))
    assert planned <= 64 << 20
    assert peak <= RATIO * planned
