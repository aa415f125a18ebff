"""Sources of some tens of mebibytes, of every format and layout: what the table of memory reads."""

from __future__ import annotations

import gzip
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

SOURCE_BYTES = 48 << 20


def noise(shape: tuple[int, ...], dtype: str) -> Any:
    """Which no codec makes smaller."""
    rng = np.random.default_rng(0)
    if dtype == "float32":
        return rng.random(shape, np.float32)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype)


def sized(*sizes: int, dtype: str) -> tuple[int, ...]:
    """A shape of `SOURCE_BYTES`, whose first size is free."""
    return (SOURCE_BYTES // (prod(sizes) * np.dtype(dtype).itemsize), *sizes)


def zarr_array(place: Path, x: Any, **layout: Any) -> Path:
    zarr.create_array(place, data=x, **layout)
    return place


def plain(place: Path, dtype: str) -> Path:
    return zarr_array(place, noise(sized(256, 256, dtype=dtype), dtype), chunks=(64, 64, 64))


def _shards(place: Path, dtype: str) -> Path:
    return zarr_array(place, noise(sized(256, 256, dtype=dtype), dtype), chunks=(32, 32, 32), shards=(64, 64, 64))


def _thin(place: Path, dtype: str) -> Path:
    return zarr_array(place, noise(sized(512, 512, dtype=dtype), dtype), chunks=(1, 512, 512))


def _long_rows(place: Path, dtype: str) -> Path:
    return zarr_array(place, noise(sized(64, dtype=dtype)[::-1], dtype), chunks=(64, 4096))


def _slide(place: Path, dtype: str) -> Path:
    shape = (*sized(4096, 3, dtype=dtype)[:2], 3)
    return zarr_array(place, noise(shape, dtype), chunks=(512, 512, 3))


def _one_axis(place: Path, dtype: str) -> Path:
    return zarr_array(place, noise(sized(dtype=dtype), dtype), chunks=(1 << 17,))


def _npy(place: Path, dtype: str) -> Path:
    np.save(place.with_suffix(".npy"), noise(sized(256, 256, dtype=dtype), dtype))
    return place.with_suffix(".npy")


def _nii(place: Path, dtype: str) -> Path:
    path = place.with_suffix(".nii")
    nibabel.save(nibabel.Nifti1Image(noise(sized(256, 256, dtype=dtype), dtype), np.eye(4)), path)
    return path


def _scaled_nii(place: Path, dtype: str) -> Path:
    path = place.with_suffix(".nii")
    image = nibabel.Nifti1Image(noise(sized(256, 256, dtype=dtype), dtype), np.eye(4))
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
    tifffile.imwrite(path, noise(sized(4096, dtype=dtype), dtype), photometric="minisblack", **layout)
    return path


def _tiff_tiles(place: Path, dtype: str) -> Path:
    return _tiff(place, dtype, tile=(256, 256), compression="zlib")


def _tiff_strips(place: Path, dtype: str) -> Path:
    return _tiff(place, dtype, rowsperstrip=16)


def _slices(place: Path, dtype: str, rows: int = 512, **layout: Any) -> Path:
    place.mkdir()
    for number, one in enumerate(noise(sized(rows, 512, dtype=dtype), dtype)):
        tifffile.imwrite(place / f"{number}.tif", one, **layout)
    return place


def _packed_slices(place: Path, dtype: str) -> Path:
    return _slices(place, dtype, 1024, compression="zlib", rowsperstrip=64)


def _dicom(place: Path, dtype: str) -> Path:
    from dicom_files import series

    stored = "uint16" if dtype == "float32" else dtype
    series(place, noise(sized(512, 512, dtype=dtype), stored), RescaleSlope=0.5, RescaleIntercept=-100)
    return place


def _dicom_times(place: Path, dtype: str) -> Path:
    from dicom_files import in_times

    stored = "uint16" if dtype == "float32" else dtype
    number, *sizes = sized(512, 512, dtype=dtype)
    data = noise((3, number // 3, *sizes), stored)
    in_times(place, data, [{"AcquisitionNumber": k} for k in range(3)], RescaleSlope=0.5, RescaleIntercept=-100)
    return place


def _dicom_slide(place: Path, dtype: str) -> Path:
    from dicom_slides import slide

    stored = "uint16" if dtype == "float32" else dtype
    return slide(place.with_suffix(".dcm"), noise((1, 1, *sized(4096, dtype=stored)), stored), tile=(256, 256))


def _png(place: Path, dtype: str) -> Path:
    stored = "uint16" if dtype == "float32" else dtype
    path = place.with_suffix(".png")
    Picture.fromarray(noise(sized(4096, dtype=stored), stored)).save(path, compress_level=1)
    return path


def _hdf5(place: Path, dtype: str, **layout: Any) -> Path:
    path = place.with_suffix(".h5")
    with h5py.File(path, "w") as file:
        file.create_dataset("raw", data=noise(sized(256, 256, dtype=dtype), dtype), **layout)
    return path


def _hdf5_chunks(place: Path, dtype: str) -> Path:
    return _hdf5(place, dtype, chunks=(64, 64, 64), compression="gzip", compression_opts=1)


SOURCES = {
    "zarr, chunks": plain,
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
    "dicom times": _dicom_times,
    "dicom slide": _dicom_slide,
    "png": _png,
    "hdf5, chunks": _hdf5_chunks,
    "hdf5": _hdf5,
}
