"""The law of places: samples that are their own place are so after any run, in every mode, from every format to every
format that says where its samples lie.

An error of the samples and one of the metadata both show here, and cannot cancel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import pytest
import tifffile
import zarr
from pyramids import image_at
from scans import AFFINES

import vrdask
from vrdask.sources import open_source

sitk = pytest.importorskip("SimpleITK")
Array = npt.NDArray[Any]
SHAPE = (31, 42, 29)
"""z, y, x of the sources; odd and even."""
SIZES = (2.5, 0.5, 0.75)
WEIGHTS = (1.0, 100.0, 10_000.0)


def ome_zarr(place: Path, data: Array, version: str) -> None:
    image_at(place, data, SIZES, version=version, path="s0")
    group = zarr.open_group(place, mode="a")
    attributes = dict(group.attrs)
    dataset = attributes.get("ome", attributes)["multiscales"][0]["datasets"][0]
    dataset["coordinateTransformations"].append({"type": "translation", "translation": [10.0, -3.0, 0.25]})
    group.attrs.update(attributes)


def itk(place: Path, data: Array) -> None:
    image = sitk.GetImageFromArray(data)
    image.SetSpacing(SIZES[::-1])
    image.SetOrigin((4.0, -5.0, 6.5))
    image.SetDirection((0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0))
    sitk.WriteImage(image, str(place))


def ome_tiff(place: Path, data: Array) -> None:
    sizes = {f"PhysicalSize{n}": size for n, size in zip("ZYX", SIZES, strict=True)}
    tifffile.imwrite(place, data, tile=(16, 16), metadata={"axes": "ZYX", **sizes})


SOURCES: Mapping[str, Callable[[Path, Array], None]] = {
    "04.zarr": lambda place, data: ome_zarr(place, data, "0.4"),
    "05.zarr": lambda place, data: ome_zarr(place, data, "0.5"),
    "las.nii": lambda place, data: nibabel.save(nibabel.Nifti1Image(data.T, AFFINES["LAS"]), place),
    "oblique.nii.gz": lambda place, data: nibabel.save(nibabel.Nifti1Image(data.T, AFFINES["oblique"]), place),
    "x.nrrd": itk,
    "x.mgz": lambda place, data: nibabel.save(nibabel.MGHImage(data.T.astype("f4"), AFFINES["PIR"]), place),
    "x.ome.tif": ome_tiff,
    "x.npy": lambda place, data: np.save(place, data),
}
TARGETS = ("out.zarr", "04.zarr", "out.ozx", "out.nii", "out.nii.gz", "out.ome.tif")
ENDS = {"cubic": 8.0, "bilinear": 2.0}
"""Source samples at each end of an axis where what lies beyond it shows; else half of one."""
OFF = {"nearest": 0.5 + 1e-6, "area": 0.5, "area_exact": 0.1, "cubic": 1e-3, "bilinear": 0.1}
"""Of a source sample: what a mode may be off. Filters and means weigh whole samples, few where axes hardly shrink."""


def opened(place: Path) -> Any:
    sizes = {"pixel_size": "z=2.5um,y=0.5um,x=0.75um"} if place.suffix == ".npy" else {}
    return open_source(place, **sizes)


def coordinates(source: Any) -> list[Array]:
    """Of the samples along each axis, as the metadata give them."""
    lines = zip(source.origin, source.spacing, source.shape, strict=True)
    return [first + step * np.arange(n) for first, step, n in lines]


def ramp(lines: list[Array]) -> Array:
    z, y, x = (weight * line for weight, line in zip(WEIGHTS, lines, strict=True))
    found: Array = z[:, None, None] + y[:, None] + x
    return found


@pytest.fixture(scope="module")
def ramps(tmp_path_factory: Any) -> dict[str, Any]:
    """Of every format a file whose samples are their own place."""
    found = {}
    for name, write in SOURCES.items():
        folder = tmp_path_factory.mktemp("ramps")
        write(folder / name, np.zeros(SHAPE))
        data = ramp(coordinates(opened(folder / name)))
        other = tmp_path_factory.mktemp("ramps") / name
        write(other, data)
        found[name] = opened(other)
    return found


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("mode", "how"),
    [
        ("linear", {"shape": (17, 60, 29)}),
        ("linear", {"shape": (17, 60, 29), "align_corners": True}),
        ("linear", {"factor": (0.7, 0.55, 1.3), "exact": True}),
        ("linear", {"factor": 0.5, "region": {"y": (3, 40), "x": (2, 27)}}),
        ("nearest", {"shape": (40, 20, 29)}),
        ("area", {"shape": (31, 14, 11)}),
        ("area_exact", {"shape": (12, 17, 15)}),
        ("bilinear", {"shape": (12, 17, 50)}),
        ("cubic", {"shape": (62, 40, 45)}),
    ],
)
def test_a_ramp_is_the_place_that_the_metadata_give(ramps, tmp_path, name, target, mode, how):
    source = ramps[name]
    version = {"ome_zarr_version": "0.4"} if target == "04.zarr" else {}
    vrdask.resample_zarr(source, tmp_path / target, mode=mode, **how, **version)
    made = open_source(tmp_path / target)
    lines = coordinates(made)
    before = coordinates(source if "region" not in how else open_source(source, region=how["region"]))
    if target.endswith(".tif"):  # which says how far samples are from each other, and no more
        whole = vrdask.resample_zarr(source, tmp_path / "whole.zarr", mode=mode, **how)
        assert whole.shape == made.shape
        placed = open_source(tmp_path / "whole.zarr")
        times = 1 if "micrometer" in placed.units else 1000  # in micrometres, of millimetres
        np.testing.assert_allclose(made.spacing, np.array(placed.spacing) * times, rtol=1e-6)
        lines = coordinates(placed)
    samples = np.asarray(made.array[tuple(slice(0, n) for n in made.shape)])
    steps = [abs(line[1] - line[0]) for line in before]
    inside = np.ones(samples.shape, bool)
    for axis, (line, own, step) in enumerate(zip(lines, before, steps, strict=True)):
        margin = ENDS.get(mode, 0.5) * max(step, abs(line[1] - line[0])) if len(line) != len(own) else 0.0
        low, high = min(own[0], own[-1]) + margin, max(own[0], own[-1]) - margin
        where = (line >= low - 1e-9) & (line <= high + 1e-9)
        inside &= where.reshape([-1 if k == axis else 1 for k in range(3)])
    assert inside.sum() > inside.size / 16
    expected = ramp(lines)
    precision = 2e-6 if name.endswith(".mgz") or ".nii" in target else 1e-9
    allowed = OFF.get(mode, 0.0) * np.dot(WEIGHTS, steps) + precision * np.abs(expected).max()
    assert np.abs(samples - expected)[inside].max() <= allowed
