"""Errors of sources: what cannot be opened is named, and what a library says of it is told as users expect it."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from messages import pattern

import vrdask
from vrdask.sources import open_source
from vrdask.storage.retry import StoreError


def test_sources_that_are_no_array_are_refused(tmp_path):
    def refused(source, error, text):
        with pytest.raises(error, match=text):
            vrdask.resample_zarr(source, tmp_path / "target.zarr", 4)
        assert not (tmp_path / "target.zarr").exists()

    refused(tmp_path / "missing.zarr", FileNotFoundError, r"source must exist; got .*missing\.zarr")
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder", FileNotFoundError, "source must be a Zarr array or an OME-Zarr group; found neither")
    group = zarr.create_group(tmp_path / "group.zarr")
    group.create_array("raw", shape=(4,), dtype="f4")
    refused(group, ValueError, "source must be an array or an OME-Zarr image; .* with the arrays: raw")
    refused(3, TypeError, "must be given as a path, a URL, a store or an array; got int")


class Foreign:
    """Something of a package that need not be installed."""


@pytest.mark.parametrize(
    ("package", "name", "text"),
    [
        ("nibabel.nifti1", "Nifti1Image", "got nibabel.Nifti1Image: give the path .*dataobj"),
        ("SimpleITK.SimpleITK", "Image", "got SimpleITK.Image: give the path .*GetArrayViewFromImage"),
        ("xarray.core.dataset", "Dataset", "got xarray.Dataset: give one variable of it"),
        ("h5py._hl.files", "File", "got h5py.File: give a dataset of it"),
        ("dask.delayed", "Delayed", "got dask.Delayed: dask.array.from_delayed"),
        ("somewhere.else", "Volume", "got somewhere.Volume$"),
    ],
)
def test_arrays_of_other_libraries_are_refused_by_name_with_the_way_out(tmp_path, package, name, text):
    foreign = type(name, (Foreign,), {"__module__": package, "shape": (4,), "dtype": np.dtype("f4")})()
    for call in (open_source, lambda x: vrdask.resample_zarr(x, tmp_path / "x.zarr", 4)):
        with pytest.raises(TypeError, match=f"source must be given as a path, .*; {pattern(text)}".replace(r"\$", "$")):
            call(foreign)
    assert not (tmp_path / "x.zarr").exists()


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (None, "got NoneType"),
        (b"x.zarr", "got bytes: decode a path with os.fsdecode"),
        ([1, 2], "got list: numpy.asarray makes it an array"),
        (2.5, "got float: numpy.asarray"),
        (np.float32(1), "got float32: numpy.asarray"),
        (open, "got builtin_function_or_method"),
    ],
)  # fmt: skip
def test_things_that_are_no_arrays_are_refused_by_name(source, text):
    with pytest.raises(TypeError, match=pattern(f"source must be given as a path, a URL, .*; {text}")):
        open_source(source)


def test_anything_that_names_a_path_is_one(tmp_path):
    zarr.create_array(tmp_path / "x.zarr", data=np.arange(8.0))

    class Named:
        def __init__(self, name):
            self.name = name

        def __fspath__(self):
            return self.name

    assert open_source(Named(str(tmp_path / "x.zarr"))).array.shape == (8,)
    assert vrdask.resample_zarr(Named(str(tmp_path / "x.zarr")), {}, 4).shape == (4,)
    for wrong in ({"level": "0"}, {"series": 1.0}, {"channel": "c"}, {"level": True}):
        with pytest.raises(TypeError, match="must be an integer; got"):
            open_source(tmp_path / "x.zarr", **wrong)
    with pytest.raises(TypeError, match=r"source must be a path of text; got b'.*': decode it with os.fsdecode"):
        open_source(Named(bytes(tmp_path / "x.zarr")))


@pytest.mark.parametrize("name", ["./x.zarr", "x.zarr/", "folder/../x.zarr", "x.zarr"])
def test_a_path_is_named_once_however_it_is_written(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    zarr.create_array(tmp_path / "x.zarr", data=np.arange(8.0))
    with pytest.raises(ValueError, match=r"^level must be 0 for a single array; got 1 for (folder/\.\./)?x\.zarr$"):
        open_source(name, level=1)
    with pytest.raises(FileNotFoundError, match=r"^source must exist; got (folder/\.\./)?y\.zarr$"):
        open_source(name.replace("x", "y"))
    with pytest.raises(ValueError, match=r"^level must be 0 for a single array; got 1 for a store in memory$"):
        open_source({**zarr_in_memory()}, level=1)


def zarr_in_memory():
    store: dict = {}
    zarr.create_array(store, data=np.arange(8.0))
    return store


def test_what_libraries_log_and_warn_of_is_not_shown(tmp_path, caplog, recwarn):
    import logging
    import warnings

    from vrdask.sources.opening import opening, quiet

    def open_noisily():
        logging.getLogger("tifffile").error("hidden")
        warnings.warn("hidden", UserWarning, stacklevel=1)
        raise ValueError("nope")

    with pytest.raises(ValueError, match=r"source must be .*; got the place: nope"), opening("the place"):
        open_noisily()
    with quiet() as heard:
        logging.getLogger("nibabel.global").warning("hidden")
    assert heard == ["hidden"]
    assert not caplog.records
    logging.getLogger("tifffile").error("shown")
    assert [record.message for record in caplog.records] == ["shown"]
    assert not list(recwarn)


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (KeyError("nope"), ValueError, "got PLACE: 'nope' is missing"),
        (TypeError("zip() argument 2 is shorter"), ValueError, "got PLACE: TypeError: zip() argument 2 is shorter"),
        (RecursionError(), ValueError, "got PLACE: it is nested too deeply"),
        (MemoryError(), ValueError, "got PLACE: it asks for more memory than there is"),
        (ValueError("level must be 0 of PLACE; got 3"), ValueError, "level must be 0 of PLACE; got 3"),
        (ValueError("level must be 0; got 3"), ValueError, "source must be .*; got PLACE: level must be 0; got 3"),
        (
            FileNotFoundError(2, "No such file", "PLACE"),
            FileNotFoundError,
            "source must exist; got PLACE: No such file",
        ),
        (FileNotFoundError(2, "No such file", "x"), FileNotFoundError, "must exist; got PLACE: No such file (x)"),
        (
            PermissionError(13, "Permission denied", "PLACE"),
            PermissionError,
            "source must be readable; got PLACE: Perm",
        ),
        (IsADirectoryError(21, "Is a directory", "PLACE"), IsADirectoryError, "source must be readable; got PLACE: Is"),
        (OSError(5, "Input/output error"), StoreError, "opening PLACE failed: OSError: [Errno 5] Input/output error"),
        (ConnectionResetError("reset"), StoreError, "opening PLACE failed: ConnectionResetError: reset"),
        (OSError("Not a gzipped file"), ValueError, "got PLACE: OSError: Not a gzipped file"),
        (ModuleNotFoundError("PLACE: pip install x"), ModuleNotFoundError, "PLACE: pip install x"),
    ],
)
def test_errors_of_opening_are_told_as_users_expect_them(error, kind, text):
    from vrdask.sources.opening import opening

    with pytest.raises(kind, match=pattern(text)) as told, opening("PLACE"):
        raise error
    assert type(told.value) is kind
