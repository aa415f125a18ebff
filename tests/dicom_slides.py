"""Whole slides in DICOM as scanners write them, with what the tests ask for."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from dicom_files import _group as group
from dicom_files import ct
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit

SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
TILE = (16, 24)
SPACING = (0.0005, 0.00025)
"""Of rows and of columns, in millimetres."""


def tiles_of(data: Any, tile: Any = TILE) -> Any:
    """Tiles of (rows, columns[, 3]), row by row, beyond the ends filled with 7."""
    rows, columns = (-(-n // t) for n, t in zip(data.shape, tile, strict=False))
    whole = np.full((rows * tile[0], columns * tile[1], *data.shape[2:]), 7, data.dtype)
    whole[: data.shape[0], : data.shape[1]] = data
    for i, j in product(range(rows), range(columns)):
        yield (i, j), whole[i * tile[0] : (i + 1) * tile[0], j * tile[1] : (j + 1) * tile[1]]


def encoded(tile: Any, syntax: Any) -> bytes:
    import imagecodecs

    if syntax == JPEGBaseline8Bit:
        return bytes(imagecodecs.jpeg8_encode(tile, level=90))
    return bytes(imagecodecs.jpeg2k_encode(tile, codecformat="j2k", reversible=True, mct=False))


def slide(
    path: Path, data: Any, *, syntax: Any = ExplicitVRLittleEndian, sparse: bool = False, table: str = "basic",
    leave_out: Any = (), tile: Any = TILE, step: float = 0.002, fragments: int = 1, **said: Any,
) -> Path:  # fmt: skip
    """A file with a level: (paths, planes, rows, columns[, 3]). table : of offsets, "basic", "extended" or "none".
    leave_out : tiles that are not there, (path, plane, row, column). sparse : each frame says its place, in any order.
    """
    frames = [(k, z, i, j, one) for k, z in np.ndindex(data.shape[:2]) for (i, j), one in tiles_of(data[k, z], tile)]
    frames = [one for one in frames if one[:4] not in {tuple(one) for one in leave_out}]
    if sparse:
        frames = [frames[k] for k in np.random.default_rng(0).permutation(len(frames))]
    colours = data.ndim == 5
    stack = np.stack([one[4] for one in frames])
    jpeg = syntax == JPEGBaseline8Bit
    photometric = ("YBR_FULL_422" if jpeg else "RGB") if colours else "MONOCHROME2"
    paths = [Dataset() for _ in range(data.shape[0])]
    for k, one in enumerate(paths):
        one.OpticalPathIdentifier = str(k + 1)
        if not colours:
            one.OpticalPathDescription = f"dye {k}"
    measures = {"PixelSpacing": list(SPACING), "SpacingBetweenSlices": step}
    elements = {
        "SOPClassUID": SLIDE, "Modality": "SM", "ImageType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
        "PixelSpacing": None, "TotalPixelMatrixRows": data.shape[2], "TotalPixelMatrixColumns": data.shape[3],
        "NumberOfFrames": len(frames),
        "TotalPixelMatrixFocalPlanes": data.shape[1], "NumberOfOpticalPaths": data.shape[0],
        "OpticalPathSequence": paths, "PhotometricInterpretation": photometric,
        "DimensionOrganizationType": "TILED_SPARSE" if sparse else "TILED_FULL",
        "SharedFunctionalGroupsSequence": [group(PixelMeasuresSequence=measures)],
    }  # fmt: skip
    file = ct(stack, None, None, **{**elements, **said})
    file.file_meta.MediaStorageSOPClassUID = SLIDE
    file.file_meta.TransferSyntaxUID = syntax
    if sparse:
        file.PerFrameFunctionalGroupsSequence = [
            group(
                PlanePositionSlideSequence={
                    "RowPositionInTotalImagePixelMatrix": 1 + i * tile[0],
                    "ColumnPositionInTotalImagePixelMatrix": 1 + j * tile[1],
                    "ZOffsetInSlideCoordinateSystem": z * step * 1000,
                },
                OpticalPathIdentificationSequence={"OpticalPathIdentifier": str(k + 1)},
            )
            for k, z, i, j, _ in frames
        ]
    if syntax in (JPEGBaseline8Bit, JPEG2000Lossless):
        packed = [encoded(one, syntax) for one in stack]
        if table == "extended":
            file.PixelData, file.ExtendedOffsetTable, file.ExtendedOffsetTableLengths = encapsulate_extended(packed)
        else:
            file.PixelData = encapsulate(packed, fragments_per_frame=fragments, has_bot=table == "basic")
        file["PixelData"].VR = "OB"
        file["PixelData"].is_undefined_length = True
    file.set_original_encoding(None, None)
    file.save_as(path, implicit_vr=False, little_endian=True)
    return path


def levels(folder: Path, data: Any, count: int = 3, **said: Any) -> list[Path]:
    """A slide's levels in a folder, each with every second pixel of the one before, with a label beside them."""
    folder.mkdir()
    paths = [slide(folder / f"{9 - k}.dcm", data[:, :, :: 2**k, :: 2**k], **said) for k in range(count)]
    label = ["ORIGINAL", "PRIMARY", "LABEL", "NONE"]
    slide(folder / "0label.dcm", data[:1, :1, :10, :12], **{**said, "ImageType": label})
    return paths
