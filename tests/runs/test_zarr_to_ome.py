"""OME-Zarr to OME-Zarr: the metadata of the target say where its samples lie."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from numpy.testing import assert_allclose, assert_array_equal

import vrdask

AXES = [{"name": "c", "type": "channel"}] + [{"name": n, "type": "space", "unit": "micrometer"} for n in "zyx"]


def ome_group(place, version, data, scale, translation):
    group = zarr.open_group(place, mode="w", zarr_format={"0.4": 2, "0.5": 3}[version])
    group.create_array("s0", shape=data.shape, chunks=(1, 8, 8, 8), dtype=data.dtype)[:] = data
    steps = [{"type": "scale", "scale": scale}, {"type": "translation", "translation": translation}]
    multiscale = {"axes": AXES, "name": "ramp", "datasets": [{"path": "s0", "coordinateTransformations": steps}]}
    if version == "0.4":
        group.attrs["multiscales"] = [{"version": "0.4", **multiscale}]
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale]}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(
    "options", [{"shape": (31, 9, 40)}, {"factor": 0.5}, {"spacing": 1.0}, {"spacing": (2.0, 0.25, 1.3)}]
)
def test_a_ramp_resampled_is_the_coordinate_that_the_metadata_gives(tmp_path, version, align_corners, options):
    # errors of the samples and of the metadata both show, and cannot cancel
    scale, translation = [1.0, 2.0, 0.5, 0.75], [0.0, 10.0, -3.0, 0.25]
    shape = (2, 20, 24, 22)
    index = np.indices(shape).astype(np.float64)
    physical = [scale[a] * index[a] + translation[a] for a in (1, 2, 3)]
    ramp = 1 * physical[0] + 100 * physical[1] + 10_000 * physical[2]
    ome_group(tmp_path / "source.zarr", version, ramp, scale, translation)
    target = tmp_path / "target.zarr"
    result = vrdask.resample_zarr(tmp_path / "source.zarr", target, align_corners=align_corners, **options)

    group = zarr.open_group(target, mode="r")
    assert group.metadata.zarr_format == 3
    assert group.attrs["ome"]["version"] == "0.5"
    (multiscale,) = group.attrs["ome"]["multiscales"]
    assert multiscale["axes"] == AXES
    assert multiscale["name"] == "ramp"
    (dataset,) = multiscale["datasets"]
    assert_array_equal(group[dataset["path"]][:], result[:])
    steps = {step["type"]: step[step["type"]] for step in dataset["coordinateTransformations"]}
    shift = steps.get("translation", [0.0] * 4)
    index = np.indices(result.shape).astype(np.float64)
    expected = sum(w * (steps["scale"][a] * index[a] + shift[a]) for w, a in ((1, 1), (100, 2), (10_000, 3)))
    # outside the first and last source sample values are clamped, so look at what lies between them
    inside = np.ones(result.shape, bool)
    for a in (1, 2, 3):
        at = steps["scale"][a] * index[a] + shift[a]
        inside &= (at >= translation[a] - 1e-9) & (at <= translation[a] + scale[a] * (shape[a] - 1) + 1e-9)
    assert inside.sum() > result.size / 4
    assert_allclose(result[:][inside], expected[inside], rtol=1e-11)
    if "spacing" in options and not align_corners:
        asked = np.broadcast_to(options["spacing"], 3)
        extent = [s * n for s, n in zip(scale[1:], shape[1:], strict=True)]
        assert result.shape[1:] == tuple(int(np.floor(e / s + 0.5)) for e, s in zip(extent, asked, strict=True))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_the_target_of_an_ome_zarr_image_is_a_valid_one(tmp_path, version):
    v05 = pytest.importorskip("ome_zarr_models.v05")
    ome_group(tmp_path / "source.zarr", version, np.zeros((2, 9, 9, 9)), [1.0, 2.0, 2.0, 2.0], [0.0] * 4)
    vrdask.resample_zarr(tmp_path / "source.zarr", tmp_path / "target.zarr", factor=2)
    image = v05.Image.from_zarr(zarr.open_group(tmp_path / "target.zarr", mode="r"))
    assert image.attributes.ome.multiscales[0].datasets[0].path == "0"
