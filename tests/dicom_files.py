"""DICOM files as scanners write them, with what the tests ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

STRAIGHT = (1, 0, 0, 0, 1, 0)
SAGITTAL = (0, 1, 0, 0, 0, -1)
OBLIQUE = (0.8, 0.6, 0, 0, 0, -1)
SPACING = (0.5, 0.7)
"""Of rows and of columns."""
ORIGIN = (-120.5, -80.25, 33.0)


def ct(data: Any, position: Any = ORIGIN, directions: Any = STRAIGHT, **said: Any) -> FileDataset:
    """A file with a slice, or with several frames. said : elements by keyword; None leaves one out."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    data = np.asarray(data)
    colours = data.ndim > 2 and data.shape[-1] == 3
    sizes = data.shape[:-1] if colours else data.shape
    elements: dict[str, Any] = {
        "SOPClassUID": CTImageStorage, "SOPInstanceUID": meta.MediaStorageSOPInstanceUID, "Modality": "CT",
        "StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.4", "SeriesNumber": 1, "InstanceNumber": 1,
        "ImagePositionPatient": position and list(position), "ImageOrientationPatient": directions and list(directions),
        "PixelSpacing": list(SPACING), "Rows": sizes[-2], "Columns": sizes[-1], "SamplesPerPixel": 3 if colours else 1,
        "PhotometricInterpretation": "RGB" if colours else "MONOCHROME2", "PlanarConfiguration": 0 if colours else None,
        "BitsAllocated": 8 * data.itemsize, "BitsStored": 8 * data.itemsize, "HighBit": 8 * data.itemsize - 1,
        "PixelRepresentation": int(data.dtype.kind == "i"), "NumberOfFrames": sizes[0] if len(sizes) > 2 else None,
    }  # fmt: skip
    for keyword, value in {**elements, **said}.items():
        if value is not None:
            setattr(file, keyword, value)
    samples = data.astype(data.dtype.newbyteorder("<")).tobytes()
    file.PixelData = samples + bytes(len(samples) % 2)
    file["PixelData"].VR = "OB" if data.itemsize == 1 else "OW"
    return file


def along(directions: Any) -> np.ndarray:
    """The direction from slice to slice."""
    return np.cross(directions[:3], directions[3:])


def series(
    folder: Path, data: Any, distance: float = 2.5, directions: Any = STRAIGHT, shift: Any = (0, 0, 0), **said: Any
) -> list[Path]:
    """A folder of slices, whose names and numbers tell nothing of their order; paths from slice to slice.

    shift : from each to the next, besides the distance along the normal.
    """
    folder.mkdir(exist_ok=True, parents=True)
    paths = []
    shuffled = np.random.default_rng(len(data)).permutation(len(data))
    for k, one in enumerate(data):
        position = [round(float(p), 6) for p in ORIGIN + k * (distance * along(directions) + np.array(shift))]
        path = folder / f"IM{shuffled[k]:03d}"
        ct(one, position, directions, **{"InstanceNumber": int(shuffled[k]) + 1, **said}).save_as(path)
        paths.append(path)
    return paths


def in_times(folder: Path, data: Any, said: Any, **options: Any) -> list[list[Path]]:
    """A folder of slices of several times; paths by time. said : elements of each, or a function of time and slice."""
    folder.mkdir(exist_ok=True, parents=True)
    paths: list[list[Path]] = []
    for t, volume in enumerate(data):
        elements = {} if callable(said) else said[t]
        paths.append([])
        for k, path in enumerate(series(folder / f"time {t}", volume, **{**options, **elements})):
            if callable(said):
                changed(path, **said(t, k))
            paths[-1].append(path.rename(folder / f"{(7 * t + 3) % 10}{path.name}"))
        (folder / f"time {t}").rmdir()
    return paths


def changed(path: Path, **said: Any) -> None:
    """Change elements of a file; None takes one out."""
    file = pydicom.dcmread(path)
    for keyword, value in said.items():
        if value is None:
            delattr(file, keyword)
        else:
            setattr(file, keyword, value)
    file.save_as(path)


def enhanced(
    data: Any, distance: float = 2.5, directions: Any = STRAIGHT, scalings: Any = None, slices: int | None = None,
    groups_of: Any = lambda k: {},
) -> FileDataset:  # fmt: skip
    """A file of several frames, which says of each, in reverse, where it lies. slices : after which they begin again.
    groups_of : what else it says of one.
    """
    file = ct(data, None, None, PixelSpacing=None)
    shared = {
        "PixelMeasuresSequence": {"PixelSpacing": list(SPACING)},
        "PlaneOrientationSequence": {"ImageOrientationPatient": list(directions)},
    }
    file.SharedFunctionalGroupsSequence = [_group(**shared)]
    frames = []
    for k in reversed(range(len(data))):
        place = {
            "ImagePositionPatient": [
                float(p) for p in ORIGIN + k % (slices or len(data)) * distance * along(directions)
            ]
        }
        groups = {"PlanePositionSequence": place, **groups_of(k)}
        if scalings is not None:
            slope, intercept = scalings[k]
            groups["PixelValueTransformationSequence"] = {"RescaleSlope": slope, "RescaleIntercept": intercept}
        frames.append(_group(**groups))
    file.PerFrameFunctionalGroupsSequence = frames
    return file


def _group(**groups: dict[str, Any]) -> Dataset:
    found = Dataset()
    for keyword, elements in groups.items():
        inner = Dataset()
        for name, value in elements.items():
            setattr(inner, name, value)
        setattr(found, keyword, [inner])
    return found
