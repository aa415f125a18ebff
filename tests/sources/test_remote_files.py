"""TIFF, HDF5, NIfTI and the other files behind URLs: samples as of the local file, few requests, bounded memory, and
errors that name the URL.
"""

from __future__ import annotations

import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import websites
from numpy.testing import assert_array_equal
from refusals import little_memory
from small_files import FORMATS, packed_hdf5
from websites import cut_off, empty, endless, first, forbidden, half, knows_no_ranges, unavailable

import vrdask
from vrdask.sources import open_source
from vrdask.storage import remote_file, retry

for _package in ("aiohttp", "fsspec", "tifffile", "imagecodecs", "nibabel", "nrrd", "SimpleITK", "h5py"):
    pytest.importorskip(_package)

website = websites.website
LOCAL = ("colour.png", "photo.jpg", "frame.dcm", "packed.dcm", "enhanced.dcm", "slide.dcm", "sparse.dcm")
FILES = [name for name in FORMATS if "." in name and not name.endswith((".zarr", ".zip")) and name not in LOCAL]
X = np.random.default_rng(2).integers(0, 4000, (20, 30, 40)).astype("u2")


def whole(array):
    return array[tuple(slice(0, n) for n in array.shape)]


@pytest.mark.parametrize("name", FILES)
def test_every_format_is_read_behind_a_url(website, tmp_path, name):
    FORMATS[name](website.folder / name)
    there, source = open_source(website.folder / name), open_source(f"{website.url}/{name}")
    assert source.place.startswith(f"{website.url}/{name}")
    assert source.axes == there.axes
    assert_array_equal([source.spacing, source.origin], [there.spacing, there.origin])
    assert source.array.chunks == there.array.chunks
    array = pickle.loads(pickle.dumps(source.array))
    assert_array_equal(whole(array), whole(there.array))
    box = tuple(slice(n // 3, n // 3 + 2) for n in there.shape)
    assert_array_equal(array[box], there.array[box])
    made = vrdask.resample_zarr(f"{website.url}/{name}", tmp_path / "a.zarr", factor=0.5, axes=(0, 1), num_threads=2)
    assert_array_equal(made[:], vrdask.resample_zarr(there, tmp_path / "b.zarr", factor=0.5, axes=(0, 1))[:])
    lazy = vrdask.resample(vrdask.open(f"{website.url}/{name}"), (5, 6), axes=(0, 1))
    assert_array_equal(lazy.compute(), vrdask.resample(whole(there.array), (5, 6), axes=(0, 1)))


@pytest.mark.parametrize("name", LOCAL)
def test_formats_that_are_not_read_behind_urls_are_refused_by_name(website, name):
    FORMATS[name](website.folder / name)
    url = f"{website.url}/{name}"
    with pytest.raises(
        ValueError, match=rf"a source of (PNG|JPEG|DICOM) must be a local file; got {url}: copy it here"
    ):
        open_source(url)


@pytest.mark.parametrize("name", ["tiled.tif", "chunks.h5", "volume.nii", "volume.nii.gz", "volume.npy"])
def test_files_in_a_file_system_of_fsspec(tmp_path, name):
    import fsspec

    FORMATS[name](tmp_path / name)
    memory = fsspec.filesystem("memory")
    memory.pipe(f"/files/{name}", (tmp_path / name).read_bytes())
    try:
        source = open_source(f"memory://files/{name}")
        assert_array_equal(whole(source.array), whole(open_source(tmp_path / name).array))
        before = source.stamp()
        memory.pipe(f"/files/{name}", (tmp_path / name).read_bytes() + b"x")
        assert source.stamp() != before
    finally:
        memory.rm("/files", recursive=True)


def test_paths_within_files_behind_urls(website):
    packed_hdf5(website.folder / "x.h5", X)
    source = open_source(f"{website.url}/x.h5::/raw")
    assert_array_equal(whole(source.array), X)
    with pytest.raises(ValueError, match=r"source must be a dataset of http.*x\.h5; got nothing at .*x\.h5::/nope"):
        open_source(f"{website.url}/x.h5::/nope")
    with pytest.raises(FileNotFoundError, match=r"source must exist; got http.*/nope\.h5::/raw$"):
        open_source(f"{website.url}/nope.h5::/raw")


def test_links_to_other_files_are_not_followed_behind_urls(website, tmp_path, monkeypatch):
    import h5py

    monkeypatch.chdir(website.folder)
    packed_hdf5(website.folder / "part.h5", X)
    with h5py.File("master.h5", "w") as file:
        file["link"] = h5py.ExternalLink("part.h5", "/raw")
        layout = h5py.VirtualLayout(X.shape, X.dtype)
        layout[:] = h5py.VirtualSource("part.h5", "raw", X.shape)
        file.create_virtual_dataset("virtual", layout)
    for name, text in (("link", "got nothing at"), ("virtual", "behind a URL must hold its samples itself; got")):
        with pytest.raises(ValueError, match=rf"{text} http.*/master\.h5::/{name}"):
            open_source(f"{website.url}/master.h5::/{name}")


def test_few_requests_read_a_file(website):
    rng = np.random.default_rng(0)
    np.save(website.folder / "x.npy", rng.integers(0, 99, (40, 256, 256)).astype("u2"))
    website.text = "x.npy"
    array = open_source(f"{website.url}/x.npy").array
    assert website.asked <= 2
    assert_array_equal(array[:20, :, :], np.load(website.folder / "x.npy")[:20])
    assert website.asked <= 6
    array[:20, :100, 7:9]
    assert website.asked <= 6


def test_threads_share_what_is_read_and_little_of_it_is_kept(website):
    data = np.arange(48 << 20, dtype="u1").reshape(48, 1024, 1024)
    data.tofile(website.folder / "x.bin")
    file = remote_file.look(f"{website.url}/x.bin")
    starts = [int(k) for k in np.random.default_rng(0).integers(0, data.size, 60)]
    with ThreadPoolExecutor(4) as threads:
        for start, got in zip(starts, threads.map(lambda start: file.read_at(start, 3000), starts), strict=True):
            assert got == data.ravel()[start : start + 3000].tobytes()
    assert len(file._blocks) <= remote_file.MOST_BLOCKS
    with little_memory():
        assert file.read_at(5, 40 << 20) == data.ravel()[5 : 5 + (40 << 20)].tobytes()


def test_a_file_that_has_changed_is_read_anew(website):
    np.save(website.folder / "x.npy", X)
    assert_array_equal(whole(open_source(f"{website.url}/x.npy").array), X)
    np.save(website.folder / "x.npy", X[:-1] + 1)
    assert_array_equal(whole(open_source(f"{website.url}/x.npy").array), X[:-1] + 1)


@pytest.mark.parametrize("wrongly", [unavailable, cut_off, half, empty])
@pytest.mark.parametrize("name", ["tiled.tif", "strips.tif", "chunks.h5", "volume.nii", "volume.nii.gz"])
def test_errors_of_the_network_are_tried_again_and_told_where_they_last(website, tmp_path, wrongly, name):
    FORMATS[name](website.folder / name)
    url = f"{website.url}/{name}"
    there = whole(open_source(website.folder / name).array)
    website.text, website.answer = name, first(2, wrongly)
    source = open_source(url)
    website.answer = first(2, wrongly)
    assert_array_equal(whole(source.array), there)
    remote_file._files.clear()
    website.answer = wrongly
    with pytest.raises(retry.StoreError, match=rf"reading bytes 0 to \d+ of {url} failed: ") as told:
        open_source(url)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", ["tiled.tif", "chunks.h5"])
def test_an_error_in_the_midst_of_a_run_names_the_url(website, tmp_path, name, monkeypatch):
    monkeypatch.setattr(remote_file, "BLOCK_BYTES", 1 << 10)
    monkeypatch.setattr(remote_file, "MOST_BLOCKS", 4)
    FORMATS[name](website.folder / name)
    source = open_source(f"{website.url}/{name}")
    website.text, website.answer = name, unavailable
    remote_file._files.clear()
    with pytest.raises(retry.StoreError, match=rf"{website.url}/{name}"):
        vrdask.resample_zarr(source, tmp_path / "a.zarr", factor=0.5)


@pytest.mark.parametrize("wrongly", [knows_no_ranges, endless])
def test_a_server_that_knows_no_ranges_is_refused(website, wrongly):
    np.save(website.folder / "x.npy", np.zeros((3000, 1000)))
    website.text, website.answer = "x.npy", wrongly
    with little_memory(), pytest.raises(ValueError, match=r"x\.npy: the store must .* with the bytes asked for"):
        open_source(f"{website.url}/x.npy")


def test_what_is_not_there_or_forbidden_is_told(website):
    with pytest.raises(FileNotFoundError, match=rf"^source must exist; got {website.url}/x.tif$"):
        open_source(f"{website.url}/x.tif")
    np.save(website.folder / "x.npy", X)
    website.text, website.answer = "x.npy", forbidden
    with pytest.raises(retry.StoreError, match=r"x\.npy failed: ClientResponseError: 403"):
        open_source(f"{website.url}/x.npy")


@pytest.mark.parametrize("name", ["x.nhdr", "x.mhd", "x.hdr"])
def test_headers_with_samples_beside_them(website, tmp_path, name):
    import nibabel
    import SimpleITK

    if name == "x.hdr":
        nibabel.save(nibabel.Nifti1Pair(X.T.astype("i2"), np.diag([1, 2, 3, 1.0])), website.folder / name)
    else:
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(X), website.folder / name)
    source = open_source(f"{website.url}/{name}")
    assert_array_equal(whole(source.array), X)


def test_a_target_that_is_the_source_is_refused(tmp_path):
    import fsspec

    np.save(tmp_path / "x.npy", X)
    memory = fsspec.filesystem("memory")
    memory.pipe("/files/x.npy", (tmp_path / "x.npy").read_bytes())
    try:
        with pytest.raises(ValueError, match="target must lie outside the source"):
            vrdask.resample_zarr("memory://files/x.npy", "memory://files", 4, overwrite=True)
    finally:
        memory.rm("/files", recursive=True)


def test_damaged_files_are_refused_in_one_line(website):
    FORMATS["volume.nii.gz"](website.folder / "x.nii.gz")
    shutil.copy(website.folder / "x.nii.gz", website.folder / "y.tif")
    (website.folder / "x.nii.gz").write_bytes((website.folder / "x.nii.gz").read_bytes()[:200])
    for name in ("x.nii.gz", "y.tif"):
        with pytest.raises(ValueError, match=rf"{website.url}/{name}") as told:
            whole(open_source(f"{website.url}/{name}").array)
        assert "\n" not in str(told.value)
