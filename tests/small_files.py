"""Small files of every format that can be a source."""

from __future__ import annotations

import gzip
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

RNG = np.random.default_rng(5)
VOLUME = RNG.integers(-1000, 1000, (12, 14, 10)).astype("i2")
COLOUR = RNG.integers(0, 256, (60, 80, 3), np.uint8)


def ome_zarr(path: Path, version: str) -> None:
    import zarr

    group = zarr.create_group(path, zarr_format=2 if version == "0.4" else 3)
    datasets = []
    for level, step in enumerate((1, 2)):
        group.create_array(str(level), data=VOLUME[::step, ::step, ::step].copy(), chunks=(6, 7, 5))
        scale = {"type": "scale", "scale": [2.0 * step, 0.5 * step, 0.5 * step]}
        shift = {"type": "translation", "translation": [0.0, 1.0, 2.0]}
        datasets.append({"path": str(level), "coordinateTransformations": [scale, shift]})
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    image = {"name": "x", "axes": axes, "datasets": datasets}
    said: dict[str, Any] = {"multiscales": [image | ({"version": "0.4"} if version == "0.4" else {})]}
    group.attrs.update(said if version == "0.4" else {"ome": {"version": "0.5", **said}})


def plain_zarr(path: Path, **options: Any) -> None:
    import zarr

    axes = [{"name": name, "type": "space", "scale": 1.5, "translation": None} for name in "zyx"]
    zarr.create_array(path, data=VOLUME, chunks=(6, 7, 5), attributes={"vrdask": {"axes": axes}}, **options)


def zipped(path: Path) -> None:
    plain_zarr(path.with_suffix(".folder"))
    with zipfile.ZipFile(path, "w") as file:
        for one in sorted(path.with_suffix(".folder").rglob("*")):
            if one.is_file():
                file.write(one, one.relative_to(path.with_suffix(".folder")))
    shutil.rmtree(path.with_suffix(".folder"))


def tiff(path: Path, data: Any, **options: Any) -> None:
    import tifffile

    tifffile.imwrite(path, data, **options)


def pyramid(path: Path, **options: Any) -> None:
    import tifffile

    with tifffile.TiffWriter(path, bigtiff=True) as file:
        common = {"tile": (32, 32), "photometric": "rgb", "compression": "zlib"}
        file.write(COLOUR, subifds=1, **common, **options)
        file.write(COLOUR[::2, ::2].copy(), subfiletype=1, **common)


def slide(path: Path) -> None:
    import tifffile

    said = "Aperio Image Library v11.2.1\n80x60 [0,0 80x60] (32x32) JPEG/RGB Q=70|AppMag = 20|MPP = 0.4990"
    with tifffile.TiffWriter(path) as file:
        tiles = {"tile": (32, 32), "photometric": "rgb", "compression": "jpeg", "metadata": None}
        file.write(COLOUR, description=said, **tiles)
        file.write(COLOUR[::8, ::8].copy(), photometric="rgb", description=said.split("\n")[0], metadata=None)
        file.write(COLOUR[::4, ::4].copy(), description=said.split("|")[0], **tiles)


def nifti(path: Path, slope: float | None = None) -> None:
    import nibabel

    image = nibabel.Nifti1Image(VOLUME, np.diag([0.8, 0.8, 3.0, 1.0]))
    image.header.set_xyzt_units("mm", "sec")
    if slope is not None:
        image.header.set_slope_inter(slope, 10)
    nibabel.save(image, path)


def itk(path: Path, compressed: bool = False) -> None:
    import SimpleITK

    image = SimpleITK.GetImageFromArray(VOLUME)
    image.SetSpacing((0.8, 0.7, 3.0))
    image.SetOrigin((-10.0, 20.0, 30.0))
    image.SetDirection((0, 1, 0, -1, 0, 0, 0, 0, 1))
    SimpleITK.WriteImage(image, path, compressed)


def mgh(path: Path) -> None:
    import nibabel

    image = nibabel.MGHImage(VOLUME.T, np.array([[-0.8, 0, 0, 9], [0, 0, 3, -7], [0, 0.5, 0, 5], [0, 0, 0, 1]]))
    data = image.to_bytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".mgz" else data)


def tiffs(path: Path) -> None:
    path.mkdir()
    for number, one in enumerate(VOLUME):
        tiff(path / f"s{number}.tif", one.view("u2"), compression=("zlib", None, "lzw")[number % 3])


def picture(path: Path, data: Any) -> None:
    from PIL import Image

    Image.fromarray(data).save(path)


def pictures(path: Path) -> None:
    path.mkdir()
    for number, one in enumerate(VOLUME):
        picture(path / f"s{number}.{path.name[:3]}", one.view("u2") if path.name == "pngs" else one.astype("u1"))


def series(path: Path) -> None:
    from dicom_files import OBLIQUE
    from dicom_files import series as write

    write(path, VOLUME, directions=OBLIQUE, RescaleSlope=2, RescaleIntercept=-3)


def frame(path: Path) -> None:
    from dicom_files import ct

    ct(COLOUR).save_as(path)


def enhanced(path: Path) -> None:
    from dicom_files import enhanced as write

    write(VOLUME, scalings=[(0.5, k) for k in range(len(VOLUME))]).save_as(path)


def times(path: Path) -> None:
    from dicom_files import OBLIQUE, in_times

    said = [{"TemporalPositionIdentifier": k, "TemporalResolution": 40} for k in range(3)]
    in_times(path, VOLUME.reshape(3, 4, 14, 10), said, directions=OBLIQUE, RescaleSlope=2, RescaleIntercept=-3)


def dicom_slide(path: Path, **options: Any) -> None:
    from dicom_slides import slide
    from pydicom.uid import JPEG2000Lossless

    slide(path, COLOUR[None, None], syntax=JPEG2000Lossless, **options)


def packed_frame(path: Path) -> None:
    from dicom_files import ct
    from pydicom.uid import RLELossless

    file = ct(VOLUME[0])
    file.compress(RLELossless)
    file.save_as(path)


def hdf5(path: Path, **options: Any) -> None:
    import h5py

    with h5py.File(path, "w", libver="latest" if options else None) as file:
        file.create_dataset("raw", data=VOLUME, **options).attrs["element_size_um"] = [2.0, 0.5, 0.5]
        file["table"] = np.arange(4.0)


def packed_hdf5(path: Path, data: Any) -> Path:
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("raw", data=data, chunks=(7, 9, 11), compression="gzip", shuffle=True)
    return path


def imaris(path: Path, data: Any = VOLUME, levels: int = 2, chunks: Any = (4, 8, 8)) -> None:
    """data : z, y, x, or t and c before them. Each level has every second sample of the one before."""
    import h5py

    def say(group: Any, **said: Any) -> None:
        for name, value in said.items():
            group.attrs[name] = np.frombuffer(str(value).encode(), "S1")

    data = data.reshape((1,) * (5 - data.ndim) + data.shape)
    size = np.array(data.shape[:1:-1])
    with h5py.File(path, "w") as file:
        say(file, ImarisVersion="5.5.0", ImarisDataSet="ImarisDataSet")
        extent = {f"ExtMin{k}": 10.0 * k for k in range(3)}
        extent |= {f"ExtMax{k}": 10.0 * k + n * s for k, (n, s) in enumerate(zip(size, (0.5, 0.6, 2.0), strict=True))}
        info = file.create_group("DataSetInfo/Image")
        say(info, X=size[0], Y=size[1], Z=size[2], Unit="um", **extent)
        for c in range(data.shape[1]):
            say(file.create_group(f"DataSetInfo/Channel {c}"), Name=f"dye {c}", Color="0.000 1.000 0.500")
        for level in range(levels):
            for t, c in np.ndindex(data.shape[:2]):
                part = data[t, c, :: 2**level, :: 2**level, :: 2**level]
                group = file.create_group(f"DataSet/ResolutionLevel {level}/TimePoint {t}/Channel {c}")
                say(group, **{f"ImageSize{a}": n for a, n in zip("ZYX", part.shape, strict=True)})
                padded = np.pad(part, [(0, -n % c) for n, c in zip(part.shape, chunks, strict=True)])
                group.create_dataset("Data", data=padded, chunks=chunks, compression="gzip")


OME = {"ome": True, "metadata": {"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm"}}
SHARDS = {"shards": (12, 14, 10), "compressors": "auto"}
FORMATS: dict[str, Callable[[Path], None]] = {
    "v2.zarr": lambda path: plain_zarr(path, zarr_format=2),
    "v3.zarr": plain_zarr,
    "sharded.zarr": lambda path: plain_zarr(path, **SHARDS),
    "ome04.zarr": lambda path: ome_zarr(path, "0.4"),
    "ome05.zarr": lambda path: ome_zarr(path, "0.5"),
    "zipped.zip": zipped,
    "plain.tif": lambda path: tiff(path, COLOUR, photometric="rgb"),
    "strips.tif": lambda path: tiff(path, COLOUR, photometric="rgb", rowsperstrip=16, compression="lzw"),
    "tiled.tif": lambda path: tiff(path, VOLUME, tile=(16, 16), compression="zlib", metadata={"axes": "ZYX"}),
    "planes.tif": lambda path: tiff(
        path, np.moveaxis(COLOUR, 2, 0).copy(), tile=(32, 32), planarconfig="separate", photometric="rgb"
    ),
    "volume.ome.tif": lambda path: tiff(path, VOLUME.view("u2"), tile=(16, 16), compression="zlib", **OME),
    "imagej.tif": lambda path: tiff(path, VOLUME.view("u2"), imagej=True, metadata={"axes": "ZYX", "unit": "um"}),
    "pyramid.btf": pyramid,
    "slide.svs": slide,
    "volume.nii": nifti,
    "scaled.nii": lambda path: nifti(path, 0.25),
    "volume.nii.gz": nifti,
    "volume.mgh": mgh,
    "volume.mgz": mgh,
    "raw.nrrd": itk,
    "packed.nrrd": lambda path: itk(path, True),
    "raw.mha": itk,
    "packed.mha": lambda path: itk(path, True),
    "tiffs": tiffs,
    "pngs": pictures,
    "jpgs": pictures,
    "colour.png": lambda path: picture(path, COLOUR),
    "photo.jpg": lambda path: picture(path, COLOUR),
    "series": series,
    "frame.dcm": frame,
    "packed.dcm": packed_frame,
    "enhanced.dcm": enhanced,
    "times": times,
    "slide.dcm": dicom_slide,
    "sparse.dcm": lambda path: dicom_slide(path, sparse=True, leave_out=[(0, 0, 1, 1)]),
    "plain.h5": hdf5,
    "chunks.h5": lambda path: hdf5(path, chunks=(6, 7, 5), compression="gzip", shuffle=True, fletcher32=True),
    "image.ims": imaris,
    "volume.npy": lambda path: np.save(path, VOLUME),
    "picture.npy": lambda path: np.save(path, COLOUR),
}
