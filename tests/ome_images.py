"""Small OME-Zarr images of every version, their metadata written by hand."""

from __future__ import annotations

import numpy as np
import zarr

SCALE, SHIFT = [2.0, 0.5, 0.75], [10.0, -3.0, 0.25]
SHAPE = (12, 10, 14)
TYPED = [{"name": n, "type": "space", "unit": "micrometer"} for n in "zyx"]


def ramp(lead=()):
    """Samples that are their own place: 1 z + 100 y + 10,000 x, in two channels that differ by a million."""
    index = np.indices(SHAPE).astype(np.float64)
    found = sum(w * (s * i + t) for w, s, i, t in zip((1, 100, 10_000), SCALE, index, SHIFT, strict=True))
    for n in reversed(lead):
        found = np.stack([found + 1e6 * k for k in range(n)])
    return found


def steps(lead):
    scale = {"type": "scale", "scale": [1.0] * lead + SCALE}
    return [scale, {"type": "translation", "translation": [0.0] * lead + SHIFT}]


def metadata(kind):
    """The version of Zarr, the sizes before z, and the attributes of an image of a kind."""
    c = {"name": "c", "type": "channel"}
    level = {"path": "s0", "coordinateTransformations": steps(1)}
    if kind in ("0.1", "0.2"):
        return 2, (2, 2), {"multiscales": [{"version": kind, "datasets": [{"path": "s0"}]}]}
    if kind == "0.3":
        return 2, (2,), {"multiscales": [{"version": kind, "axes": list("czyx"), "datasets": [{"path": "s0"}]}]}
    if kind in ("0.4", "untyped 0.4", "global 0.4"):
        axes = [c, *TYPED] if "untyped" not in kind else [{"name": n} for n in ("Channel", "Z", "Y", "X")]
        said = {"version": "0.4", "axes": axes, "datasets": [level]}
        if "global" in kind:  # the dataset's transformation, then one for the whole image
            said["datasets"] = [{"path": "s0", "coordinateTransformations": steps(1)[:1]}]
            said["coordinateTransformations"] = steps(1)[1:]
        return 2, (2,), {"multiscales": [said]}
    if kind == "spatialdata":
        said = {"version": "0.5-dev-spatialdata", "axes": [c, *TYPED], "datasets": [level]}
        said["coordinateTransformations"] = [
            {"type": "scale", "scale": [1.0, 3.0, 3.0, 3.0], "input": {"name": "czyx"}, "output": {"name": "large"}},
            {"type": "identity", "input": {"name": "czyx"}, "output": {"name": "global"}},
            {"type": "affine", "affine": [[0, 1]], "input": {"name": "czyx"}, "output": {"name": "turned"}},
        ]
        return 3, (2,), {"ome": {"version": "0.5-dev-spatialdata", "multiscales": [said]}}
    if kind == "0.6":
        system = {"name": "intrinsic", "axes": [c, *TYPED]}
        one = {
            "type": "sequence",
            "transformations": steps(1),
            "input": {"path": "s0"},
            "output": {"name": "intrinsic"},
        }
        said = {"coordinateSystems": [system], "datasets": [{"path": "s0", "coordinateTransformations": [one]}]}
        return 3, (2,), {"ome": {"version": "0.6.dev4", "multiscales": [said]}}
    assert kind == "0.5"
    return 3, (2,), {"ome": {"version": "0.5", "multiscales": [{"axes": [c, *TYPED], "datasets": [level]}]}}


def write(place, kind, path="s0"):
    """An image of a kind; its samples."""
    form, lead, attributes = metadata(kind)
    attributes = eval(repr(attributes).replace("'s0'", repr(path)))
    group = zarr.open_group(place, mode="w", zarr_format=form, attributes=attributes)
    data = ramp(lead)
    group.create_array(path, data=data, chunks=(1,) * len(lead) + (8, 8, 8))
    return data
