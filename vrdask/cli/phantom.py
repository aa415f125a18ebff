"""A CT-like phantom: a body with organs, ribs and a spine in Hounsfield units, computed box by box."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box, shape_of

AIR = -1000
SPACING = (1.5, 0.8, 0.8)
"""Millimetres between samples, slices thicker than pixels."""

# Centre and half-axes in fractions of the volume (z, y, x), then the value inside, later ones over earlier ones.
_ELLIPSOIDS = (
    ((0.50, 0.50, 0.50), (0.80, 0.34, 0.44), 40),  # body
    ((0.45, 0.46, 0.34), (0.34, 0.20, 0.13), -850),  # lungs
    ((0.45, 0.46, 0.66), (0.34, 0.20, 0.13), -850),
    ((0.52, 0.43, 0.53), (0.13, 0.11, 0.09), 60),  # heart
    ((0.84, 0.46, 0.38), (0.14, 0.17, 0.22), 90),  # liver
    ((0.82, 0.47, 0.66), (0.10, 0.10, 0.09), 10),  # stomach
    ((0.50, 0.70, 0.50), (0.90, 0.055, 0.055), 300),  # spine
    ((0.50, 0.70, 0.50), (0.90, 0.022, 0.022), 30),  # spinal canal
    ((0.50, 0.25, 0.50), (0.34, 0.012, 0.035), 250),  # sternum
)


def phantom(shape: tuple[int, ...], box: Box, noise: float = 12.0) -> npt.NDArray[np.int16]:
    """The box of a phantom volume of this shape; int16. Noise depends on the box's place alone."""
    coordinates = [
        ((np.arange(start, stop, dtype=np.float32) + 0.5) / n).reshape([-1 if a == axis else 1 for a in range(3)])
        for axis, ((start, stop), n) in enumerate(zip(box, shape, strict=True))
    ]
    volume = np.full(shape_of(box), AIR, np.float32)
    for centre, half_axes, value in _ELLIPSOIDS:
        z, y, x = (((c - c0) / h) ** 2 for c, c0, h in zip(coordinates, centre, half_axes, strict=True))
        volume[z + y + x < 1] = value
    _add_ribs(volume, coordinates)
    seed = [start for start, _ in box]
    volume += np.random.default_rng(seed).standard_normal(volume.shape, np.float32) * np.float32(noise)
    return volume.round().astype(np.int16)


def _add_ribs(volume: npt.NDArray[np.float32], coordinates: list[npt.NDArray[Any]]) -> None:
    """Rings around the lungs that slope down towards the front."""
    z, y, x = coordinates
    radius = np.sqrt(((y - 0.5) / 0.31) ** 2 + ((x - 0.5) / 0.41) ** 2)
    along = (z - 0.25 * (0.5 - y)) * 14
    rib = (np.abs(along - np.round(along)) < 0.16) & (np.abs(radius - 1) < 0.035) & (z > 0.1) & (z < 0.8)
    volume[rib] = 400
