"""Damaged files: refused in one line that names the file, or read; never a traceback, a hang, or memory without bound.

`VRDASK_DAMAGE` is the number of damaged files of every format, 20 by default, and perhaps a seed: "2000" or "2000:7".
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from refusals import little_memory, refused

import vrdask
from vrdask.sources import open_source

for _package in ("tifffile", "nibabel", "imagecodecs", "nrrd", "pydicom", "PIL", "SimpleITK", "h5py"):
    pytest.importorskip(_package)

on_linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs fork and /proc")
GREY = np.random.default_rng(0).integers(0, 256, (200, 300), np.uint8)
VOLUME = np.random.default_rng(3).integers(-1000, 1000, (20, 25, 30)).astype(np.int16)

FAMILIES = {
    "zarr": ("v2.zarr", "v3.zarr", "sharded.zarr"),
    "ome-zarr": ("ome04.zarr", "ome05.zarr", "zipped.zip"),
    "tiff": ("plain.tif", "strips.tif", "tiled.tif", "planes.tif", "imagej.tif"),
    "pyramids": ("volume.ome.tif", "pyramid.btf", "slide.svs"),
    "scanners": ("volume.mgh", "volume.mgz", "raw.nrrd", "packed.nrrd", "raw.mha", "packed.mha"),
    "stacks": ("tiffs", "pngs", "jpgs", "series", "times"),
    "pictures": ("colour.png", "photo.jpg"),
    "dicom": ("frame.dcm", "packed.dcm", "enhanced.dcm", "slide.dcm", "sparse.dcm"),
    "hdf5": ("plain.h5", "chunks.h5", "image.ims"),
    "volumes": ("volume.nii", "scaled.nii", "volume.nii.gz", "volume.npy", "picture.npy"),
}


@on_linux
@pytest.mark.parametrize("family", FAMILIES)
def test_damage_by_the_seed_is_refused_in_one_line_or_read(family, tmp_path):
    count, _, seed = os.environ.get("VRDASK_DAMAGE", "20").partition(":")
    command = [sys.executable, Path(__file__).parents[1] / "damage.py", tmp_path, seed or "0", count, *FAMILIES[family]]
    environment = {**os.environ, "PYTHONPATH": str(Path(vrdask.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    cases = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(cases) == int(count) * len(FAMILIES[family])
    faults = [case for case in cases if case["faults"]]
    assert not faults, json.dumps(faults, indent=1)
    assert any(case["refused"] for case in cases)
    assert int(count) < 10 or not all(case["refused"] for case in cases)


@pytest.fixture(autouse=True)
def _little_memory():
    with little_memory():
        yield


# Zarr


def ome(path: Path, **changes) -> Path:
    group = zarr.create_group(path)
    group.create_array("0", data=GREY, chunks=(64, 64))
    axes = [{"name": name, "type": "space"} for name in "yx"]
    dataset = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1]}]}
    image = {"axes": axes, "datasets": [dataset]} | changes
    group.attrs["ome"] = {"version": "0.5", "multiscales": [image]}
    return path


def dataset(**changes):
    return {"datasets": [{"path": "0"} | changes]}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"axes": [{"name": "x"}], **dataset()}, "metadata must name 2 axes, as the array has; got x"),
        ({"axes": "yx"}, "axes must be a list; got 'yx'"),
        ({"axes": [{"name": 3}, {"name": "x"}]}, "name of an axis must be a text; got 3"),
        ({"axes": [{"name": "x"}, {"name": "x"}]}, "axes must not repeat; got x, x"),
        ({"axes": [None, 4]}, "an axis must be an object; got None"),
        ({"datasets": {}}, "datasets must be a list; got {}"),
        ({"datasets": []}, "datasets must be a list; got []"),
        ({"datasets": ["0"]}, "a dataset must be an object; got '0'"),
        (dataset(path=0), "path of a dataset must be a text; got 0"),
        (dataset(path="nope"), "level 0 of an OME-Zarr image must be an array; got nothing at 'nope'"),
        (dataset(coordinateTransformations="scale"), "coordinateTransformations must be a list; got 'scale'"),
        (dataset(coordinateTransformations=[3]), "a transformation must be an object; got 3"),
        (dataset(coordinateTransformations=[{"scale": [1]}]), "scale must hold 2 finite numbers, one per axis"),
        (dataset(coordinateTransformations=[{"scale": [1, "2"]}]), "scale must hold 2 finite numbers"),
        (dataset(coordinateTransformations=[{"scale": [1, 0]}]), "scale must hold positive numbers; got [1.0, 0.0]"),
        (
            dataset(coordinateTransformations=[{"type": "affine"}]),
            "must be one of scale, translation, identity, sequence; got 'affine'",
        ),
        ({"coordinateSystems": []}, "coordinateSystems must be a list; got []"),
    ],
)  # fmt: skip
def test_contradictory_metadata_of_images_are_refused(tmp_path, changes, text):
    assert text in refused(ome(tmp_path / "x.zarr", **changes), tmp_path)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"axes": "yx"}, "axes must be a list; got 'yx'"),
        ({"axes": [{"name": "y"}, {"name": "x"}]}, "scale of axis y must be a finite number or null; got 'nothing'"),
        ({"axes": [{"name": "y", "scale": 1, "translation": 0}]}, "metadata must name 2 axes, as the array has; got y"),
        ({"axes": [{"name": a, "scale": -1, "translation": 0} for a in "yx"]}, "scale must be positive"),
    ],
)  # fmt: skip
def test_an_attribute_of_ours_that_someone_changed_is_refused(tmp_path, said, text):
    zarr.create_array(tmp_path / "x.zarr", data=GREY, attributes={"vrdask": said})
    assert text in refused(tmp_path / "x.zarr", tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"zarr"', "{}", "[" * 100_000, '{"zarr_format": 3}', "\xff"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_metadata_that_are_no_metadata_are_refused(tmp_path, text, zarr_format):
    zarr.create_array(tmp_path / "x.zarr", data=GREY, zarr_format=zarr_format)
    name = "zarr.json" if zarr_format == 3 else ".zarray"
    (tmp_path / "x.zarr" / name).write_bytes(text.encode("latin1"))
    assert "source must be " in refused(tmp_path / "x.zarr", tmp_path)


@pytest.mark.parametrize("name", ["x.zarr/zarr.json", "x.npy", "x.nii"])
def test_files_that_are_mostly_nothing_are_not_read_whole(tmp_path, name):
    zarr.create_array(tmp_path / "x.zarr", data=GREY)
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\2\0" + struct.pack("<I", 2**32 - 1))
    (tmp_path / "x.nii").touch()
    os.truncate(tmp_path / name, 1 << 30)  # takes no room on most file systems
    assert " must " in refused((tmp_path / name).parent if "/" in name else tmp_path / name, tmp_path)


def test_files_without_permission_and_folders_are_told_as_such(tmp_path):
    np.save(tmp_path / "x.npy", VOLUME)
    (tmp_path / "x.npy").chmod(0)
    if not os.access(tmp_path / "x.npy", os.R_OK):  # root may read anything
        with pytest.raises(PermissionError, match=r"source must be readable; got .*x\.npy"):
            open_source(tmp_path / "x.npy")
    (tmp_path / "folder.tif").mkdir()
    with pytest.raises(FileNotFoundError, match=r"neither at .*folder\.tif"):
        open_source(tmp_path / "folder.tif")
