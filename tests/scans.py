"""Volumes of scanners: straight and oblique, written by nibabel, and where their voxels lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

nibabel = pytest.importorskip("nibabel")

Matrix = npt.NDArray[np.float64]


def rotation(about_x: float, about_y: float, about_z: float) -> Matrix:
    """Turns about the axes one after the other, in degrees."""
    whole = np.eye(3)
    for axis, angle in enumerate(np.deg2rad((about_x, about_y, about_z))):
        turn = np.eye(3)
        i, j = (axis + 1) % 3, (axis + 2) % 3
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        whole = turn @ whole
    return whole


def affine(turn: Matrix, spacing: tuple[float, ...], origin: tuple[float, ...]) -> Matrix:
    """From voxels x, y, z to the world."""
    whole = np.eye(4)
    whole[:3, :3], whole[:3, 3] = turn * np.array(spacing), origin
    return whole


SPACING, ORIGIN = (0.8, 1.1, 3.0), (-40.5, 12.25, -71.3)
SHEAR = np.array([[1.0, 0.2, 0.0], [0.0, 1.0, 0.1], [0.0, 0.0, 1.0]])
AFFINES = {
    "RAS": affine(np.eye(3), SPACING, ORIGIN),
    "LAS": affine(np.diag([-1.0, 1.0, 1.0]), SPACING, ORIGIN),
    "LPS": affine(np.diag([-1.0, -1.0, 1.0]), SPACING, ORIGIN),
    "PIR": affine(np.array([[0, 0, 1.0], [-1, 0, 0], [0, -1, 0]]), SPACING, ORIGIN),
    "oblique": affine(rotation(12, -20, 7), SPACING, ORIGIN),
    "oblique, left-handed": affine(rotation(-25, 5, 100) @ np.diag([1, -1.0, 1]), SPACING, ORIGIN),
    "sheared": affine(rotation(3, 2, 1) @ SHEAR, SPACING, ORIGIN),
}


def write(path: Path, data: npt.NDArray[Any], matrix: Matrix | None, units: tuple[str, str] = ("mm", "sec"), **fields):
    """A volume as nibabel writes it, with what else its header shall say; what nibabel reads of it."""
    kind = nibabel.Nifti2Image if fields.pop("version", 1) == 2 else nibabel.Nifti1Image
    image = kind(data, matrix)
    image.header.set_xyzt_units(*units)
    for name, value in fields.items():
        image.header[name] = value
    nibabel.save(image, path)
    return nibabel.load(path)


def world_of(matrix: Matrix, shape: tuple[int, ...]) -> Matrix:
    """The position of each voxel of a volume x, y, z: 3 numbers along the last axis."""
    return nibabel.affines.apply_affine(matrix, np.moveaxis(np.indices(shape), 0, -1))


def ramp_of(matrix: Matrix, shape: tuple[int, ...]) -> Matrix:
    """Samples that tell where they lie: each position of the world gives another number, linearly."""
    return world_of(matrix, shape) @ [1.0, 100.0, 10_000.0]
