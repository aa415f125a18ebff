"""HDF5 as a source: samples as h5py reads them, places in the world, chunks decoded once, other files, Imaris."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from messages import pattern
from numpy.testing import assert_allclose, assert_array_equal

import vrdask
from vrdask.cli import main
from vrdask.sources import hdf5_array, open_source
from vrdask.sources.within import ImagesWithinError

h5py = pytest.importorskip("h5py", reason="vrdask[hdf5] is not installed")

X = np.random.default_rng(2).integers(0, 4000, (20, 30, 40)).astype("u2")
PACKED = {"chunks": (7, 9, 11), "compression": "gzip", "shuffle": True}


def write(path: Path, name: str = "raw", data: np.ndarray = X, mode: str = "w", **options: object) -> Path:
    with h5py.File(path, mode) as file:
        file.create_dataset(name, data=data, **options)
    return path


# Samples


@pytest.mark.parametrize("dtype", ["u1", ">i2", "<u4", "i8", "f2", ">f4", "f8", "c8", "?"])
@pytest.mark.parametrize("options", [{}, PACKED, {"chunks": (7, 9, 11)}, {"compression": "lzf", "chunks": True}])
def test_samples_are_those_of_h5py(tmp_path, dtype, options):
    data = (X > 2000) if dtype == "?" else X.astype(dtype)
    path = write(tmp_path / "x.h5", "a/b", data, **options)
    source = open_source(f"{path}::/a/b")
    with h5py.File(path) as file:
        there = file["a/b"][()]
    assert source.dtype == np.dtype(dtype).newbyteorder("=")
    array = pickle.loads(pickle.dumps(source.array))
    assert_array_equal(array[:, :, :], there)
    box = (slice(5, 9), slice(0, 30), slice(39, 40))
    assert_array_equal(array[box], there[box])
    assert array[3:3, :, :].shape == (0, 30, 40)
    with h5py.File(path) as file:
        assert source.array.chunks == file["a/b"].chunks


@pytest.mark.parametrize("mode", ["nearest", "cubic", "lanczos"])
def test_runs_and_lazy_results_have_the_bits_of_the_samples(tmp_path, mode):
    path = write(tmp_path / "x.h5", **PACKED)
    expected = vrdask.resample(X, (10, 16, 18), mode)
    made = vrdask.resample_zarr(f"{path}::/raw", tmp_path / "a.zarr", (10, 16, 18), mode=mode, num_threads=2)
    assert_array_equal(made[:], expected)
    lazy = vrdask.resample(vrdask.open(f"{path}::raw"), (10, 16, 18), mode)
    assert_array_equal(lazy.compute(scheduler="threads"), expected)
    region = vrdask.resample_zarr(
        path, tmp_path / "b.zarr", (4, 5, 6), mode=mode, region={0: (3, 17), 1: (1, 30), 2: (8, 33)}
    )
    assert_array_equal(region[:], vrdask.resample(X[3:17, 1:30, 8:33], (4, 5, 6), mode))
    levels = vrdask.write_pyramid(pixels(path), tmp_path / "c.zarr", levels=1)
    assert_array_equal(levels["1"][:], vrdask.downsample(X, 2))


def pixels(path):
    return open_source(path, pixel_size="z=2um,y=1um,x=1um")


def test_a_run_decodes_each_chunk_once(tmp_path, monkeypatch):
    path = write(tmp_path / "x.h5", **PACKED)
    read = []
    chunk = hdf5_array.Hdf5Chunks.chunk
    monkeypatch.setattr(
        hdf5_array.Hdf5Chunks, "chunk", lambda self, index, empty: read.append(index) or chunk(self, index, empty)
    )
    vrdask.resample_zarr(path, tmp_path / "a.zarr", (31, 41, 39), mode="cubic", chunks=8, num_threads=2)
    assert len(read) == len({*read}) == 3 * 4 * 4


def test_a_dataset_in_one_piece_is_mapped_wherever_it_begins(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w", userblock_size=1024) as file:
        file["raw"] = X.astype(">f8")
    source = open_source(tmp_path / "x.h5")
    assert dict(source.details)["format"] == "HDF5, memory-mapped"
    assert_array_equal(source.array[2:9, :, 5:6], X[2:9, :, 5:6])


def test_what_was_never_written_is_the_fill_value(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("a", (9, 9), "i4", fillvalue=-7)
        some = file.create_dataset("b", (9, 9), "i4", fillvalue=-7, chunks=(4, 4))
        some[:3, :3] = 1
    assert (open_source(f"{tmp_path}/x.h5::/a").array[:, :] == -7).all()
    found = open_source(f"{tmp_path}/x.h5::/b").array[:, :]
    assert (found[:3, :3] == 1).all()
    assert (found == -7).sum() == 72


def _sum(array, box):
    return int(array[box].sum())


def test_arrays_work_in_threads_forks_and_new_processes(tmp_path):
    array = open_source(write(tmp_path / "x.h5", **PACKED)).array
    boxes = [(slice(k, k + 4), slice(0, 30), slice(0, 40)) for k in range(16)]
    expected = [_sum(X, box) for box in boxes]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(_sum, [array] * 16, boxes)) == expected
    for method in ("fork", "spawn"):
        if method in multiprocessing.get_all_start_methods():
            with multiprocessing.get_context(method).Pool(2) as pool:
                assert pool.starmap(_sum, [(array, box) for box in boxes]) == expected
    assert list(map(_sum, [array] * 16, boxes)) == expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_opens_the_file_for_itself(tmp_path, monkeypatch):
    array = open_source(write(tmp_path / "x.h5", **PACKED)).array
    opened = []
    monkeypatch.setattr(hdf5_array, "opened", lambda path, of=hdf5_array.opened: opened.append(os.getpid()) or of(path))
    array[:1, :, :], array[1:2, :, :]
    monkeypatch.setattr(os, "getpid", lambda: -1)  # as in a child
    assert_array_equal(array[:2, :, :], X[:2])
    assert len(opened) == 2


# Places in files


def test_a_file_with_one_image_needs_no_path_and_several_are_listed(tmp_path):
    path = write(tmp_path / "x.h5", "a/raw")
    write(path, "row", np.arange(4), "a")
    with h5py.File(path, "a") as file:
        file["texts"] = np.array([[b"a", b"b"]])
        file["positions"] = np.zeros((20, 2))
        file["positions"].make_scale("z")
    assert_array_equal(open_source(path).array[:, :, :], X)
    for name in "bcdef":
        write(path, name, X[0], "a")
    with pytest.raises(ImagesWithinError, match=pattern(
        f"source must be one image; got an HDF5 file at {path}, which holds {path}::/a/raw, {path}::/b, {path}::/c, "
        f"{path}::/d, .."
    )):  # fmt: skip
        open_source(path)
    said = json.loads(CliRunner().invoke(main, ["info", str(path), "--json"]).output)
    assert said == {"kind": "an HDF5 file", "images": [f"{path}::/{name}" for name in ("a/raw", *"bcdef")]}
    told = CliRunner().invoke(main, ["info", f"{path}::/a/raw"]).output
    assert "HDF5, memory-mapped" in told
    assert "20x30x40" in told


def test_the_command_line_takes_paths_within_files(tmp_path):
    path = write(tmp_path / "x.h5", "a/raw", **PACKED)
    write(path, "b", X[0], "a")
    done = CliRunner().invoke(main, ["resample", f"{path}::/a/raw", f"{tmp_path}/o.zarr", "--factor", "0.5"])
    assert done.exit_code == 0, done.output
    assert_array_equal(open_source(tmp_path / "o.zarr").array[:], vrdask.resample(X, (10, 15, 20)))


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("x.h5::/nope", "source must be a dataset of x.h5; got nothing at x.h5::/nope: its datasets are /raw"),
        ("x.h5::/g", "source must be a dataset of x.h5; got a group at x.h5::/g"),
        ("x.h5::/text", "an HDF5 source must hold numbers of up to 8 bytes"),
        ("x.h5::/records", "an HDF5 source must hold numbers of up to 8 bytes, .* got x.h5::/records with records"),
        ("x.h5::/empty", "an HDF5 source must have a shape; got x.h5::/empty, which is empty"),
        ("nope.h5::/raw", "source must exist; got nope.h5::/raw"),
        ("x.zarr::/0", "a path within a file must be of HDF5; got x.zarr::/0: of Zarr, x.zarr/0"),
        ("x.npy::/0", "a path within a file must be of HDF5; got x.npy::/0, which is .npy"),
        ("none.h5", "an HDF5 source must hold a dataset of numbers with two axes or more; got none in none.h5"),
        ("cut.h5", "source must be .*, whole and undamaged; got cut.h5: .*truncated"),
    ],
)  # fmt: skip
def test_places_that_hold_no_image_are_refused(tmp_path, monkeypatch, place, text):
    monkeypatch.chdir(tmp_path)
    write(Path("x.h5"), **PACKED)
    with h5py.File("x.h5", "a") as file:
        file.create_group("g")
        file["text"] = "nothing"
        file["records"] = np.zeros((3, 3), [("a", "i4"), ("b", "f4")])
        file["empty"] = h5py.Empty("f4")
    write(Path("none.h5"), "row", np.arange(4))
    Path("cut.h5").write_bytes(Path("x.h5").read_bytes()[:-2000])
    np.save("x.npy", X)
    Path("x.zarr").mkdir()
    done = CliRunner().invoke(main, ["info", place])
    assert done.exit_code == 1
    assert done.output.count("\n") == 1
    with pytest.raises((ValueError, FileNotFoundError), match=pattern(text).replace(r"\.\*", ".*")):
        open_source(place)


def test_levels_and_series_are_refused_where_there_are_none(tmp_path):
    path = write(tmp_path / "x.h5")
    for which, text in (
        ({"level": 1}, "level must be 0 for an HDF5 dataset; got 1"),
        ({"series": 1}, "series must be 0"),
    ):
        with pytest.raises(ValueError, match=text):
            open_source(path, **which)


def test_a_file_called_like_a_path_within_one_is_that_file(tmp_path):
    np.save(tmp_path / "a::b.npy", X)
    assert open_source(tmp_path / "a::b.npy").shape == X.shape


def test_the_source_is_not_destroyed(tmp_path):
    (tmp_path / "in").mkdir()
    path = write(tmp_path / "in/x.h5", **PACKED)
    before = path.read_bytes()
    for target in (path, tmp_path / "in", f"{path}::/new"):
        with pytest.raises(ValueError, match="target must"):
            vrdask.resample_zarr(f"{path}::/raw", target, 4, overwrite=True)
    assert path.read_bytes() == before


def test_the_stamp_tells_a_change(tmp_path):
    path = write(tmp_path / "x.h5")
    source = open_source(path)
    before = json.dumps(source.stamp())
    assert json.dumps(source.stamp()) == before
    write(path, "more", X, "a")
    assert json.dumps(source.stamp()) != before


# Axes


def test_element_sizes_are_spacings_of_z_y_x(tmp_path):
    path = write(tmp_path / "x.h5", **PACKED)
    with h5py.File(path, "a") as file:
        file["raw"].attrs["element_size_um"] = np.array([2, 0.8, 0.7], "f4")
    source = open_source(path)
    assert (source.axes, source.spacing, source.units) == (("z", "y", "x"), (2.0, 0.8, 0.7), ("micrometer",) * 3)
    ramp = write(tmp_path / "ramp.h5", data=np.arange(40.0)[None, None, :] * 0.7 + np.zeros((8, 8, 1)))
    with h5py.File(ramp, "a") as file:
        file["raw"].attrs["element_size_um"] = [2, 0.8, 0.7]
    made = open_source(vrdask.resample_zarr(ramp, tmp_path / "o.zarr", spacing="x=1.4um"))
    assert_allclose(made.array[0, 0, :], made.origin[2] + 1.4 * np.arange(20), atol=1e-12)


@pytest.mark.parametrize("said", [None, [0, 1, 1], [1, 1], "text", [np.nan] * 3, [1, 1, 1, 1]])
def test_what_is_no_element_size_is_unknown(tmp_path, said):
    path = write(tmp_path / "x.h5")
    if said is not None:
        with h5py.File(path, "a") as file:
            file["raw"].attrs["element_size_um"] = said
    source = open_source(path)
    assert source.image is None
    assert np.isnan(source.spacing).all()
    with pytest.raises(ValueError, match="spacing"):
        vrdask.resample_zarr(path, tmp_path / "o.zarr", spacing=1)


def test_labels_and_scales_are_axes_and_spacings(tmp_path):
    path = write(tmp_path / "x.h5", data=X[:3])
    with h5py.File(path, "a") as file:
        raw = file["raw"]
        raw.dims[0].label = "time"
        for axis, name, values in ((1, "lat", 10 + 0.25 * np.arange(30)), (2, "lon", np.arange(40) ** 2)):
            file[name] = values
            file[name].make_scale(name)
            file[name].attrs["units"] = "degrees"
            raw.dims[axis].attach_scale(file[name])
    source = open_source(f"{path}::/raw")
    assert source.axes == ("time", "lat", "lon")
    assert source.spacing[1] == 0.25
    assert source.origin[1] == 10
    assert np.isnan(source.spacing[2])  # which is not even
    assert source.image.space_axes == (1, 2)
    made = vrdask.resample_zarr(f"{path}::/raw", tmp_path / "o.zarr", factor=0.5)
    assert made.shape == (3, 15, 20)


def test_tags_of_ilastik_are_names_of_axes(tmp_path):
    path = write(tmp_path / "x.h5", data=X[..., None])
    with h5py.File(path, "a") as file:
        file["raw"].attrs["axistags"] = json.dumps({"axes": [{"key": key, "typeFlags": 2} for key in "zyxc"]})
    source = open_source(path)
    assert source.axes == ("z", "y", "x", "c")
    assert source.image.space_axes == (0, 1, 2)


def test_datasets_that_a_caller_holds_say_the_same(tmp_path):
    path = write(tmp_path / "x.h5", **PACKED)
    with h5py.File(path, "a") as file:
        file["raw"].attrs["element_size_um"] = [2, 0.8, 0.7]
    with h5py.File(path) as file:
        assert open_source(file["raw"]).spacing == open_source(path).spacing
