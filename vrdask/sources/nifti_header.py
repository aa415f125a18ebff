"""What a NIfTI header says of its volume: where it lies, and what else a target should say again.

Which affine counts is nibabel's rule: sform before qform before pixdim, where the codes say that they are set; what
they disagree in is told. Headers hold float32, so the decimals that were meant are read: 0.8, not 0.800000012.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.images.axes import UNITS, image_of
from vrdask.images.image import Image
from vrdask.images.nifti_fields import LABELS
from vrdask.images.orientation import as_affine, millimetres_in, placed, require_invertible

Matrix = npt.NDArray[np.float64]

_FAR = 1e-2
"""Of a voxel: affines that differ by more, over the volume, disagree."""
_ROUNDING = 2e-7


def axis_names(ndim: int) -> tuple[str, ...]:
    """The header's dimensions in its own order, the fastest first. The fifth holds the components of a vector.

    >>> axis_names(5)
    ('x', 'y', 'z', 't', 'c')
    """
    return tuple("xyztcvw"[:ndim])


def decimals(numbers: Any) -> Matrix:
    """Numbers of a header as they were meant: the shortest decimals that round to them."""
    return np.array([float(str(number)) for number in np.ravel(numbers)]).reshape(np.shape(numbers))


def image_from_header(header: Any, names: Sequence[str], path: Any) -> tuple[Image, tuple[tuple[str, str], ...]]:
    """The image of a volume, and what there is to tell of it. names : of its axes, slowest first.

    Raises
    ------
    ValueError
        The affine that counts cannot be inverted.
    """
    zooms = dict(zip(axis_names(7), decimals(np.abs(header["pixdim"][1:8])), strict=True))
    space, time = header.get_xyzt_units()
    units = dict.fromkeys("xyz", UNITS.get(space)) | {"t": UNITS.get(time)}
    image = image_of(names, {name: (float(zooms[name]), units.get(name)) for name in names if name in "xyzt"})
    if "t" in names and np.isfinite(start := float(decimals(header["toffset"]))):
        image = replace(image, translation=tuple(start if name == "t" else 0.0 for name in names))
    if int(header["intent_code"]) == LABELS:
        image = replace(image, extra={"image-label": {}})
    found = _affines(header)
    name, matrix = found[0] if found else ("nothing", None)
    details = [("affine", f"from {name}")]
    if matrix is not None:
        columns = ["xyz".index(name) for name in names if name in "xyz"]
        millimetres = millimetres_in(units["x"]) or 1.0
        affine = as_affine(matrix[:, [*columns, 3]] * millimetres)
        try:
            require_invertible(affine, f"the {name} of a NIfTI source")
        except ValueError as error:
            raise ValueError(f"{error} of {path}: repair its header (nibabel's set_sform, set_qform)") from None
        image = placed(image, affine)
        details += [("note", line) for line in _disagreements(header, found, zooms)]
    if not units["x"]:
        details.append(("unit", "unknown; positions are taken as millimetres, as nibabel does"))
    return image, tuple(details)


def _affines(header: Any) -> list[tuple[str, Matrix]]:
    """The affines that a header gives, with their names, the one that counts first."""
    from nibabel.spatialimages import HeaderDataError
    from nibabel.volumeutils import shape_zoom_affine

    found = []
    if int(header["sform_code"]) > 0:
        found.append(("sform", decimals([header[f"srow_{axis}"] for axis in "xyz"])))
    if int(header["qform_code"]) > 0:
        try:
            found.append(("qform", _qform(header)))
        except (HeaderDataError, ValueError) as error:
            if not found:
                raise ValueError(f"a NIfTI source must have a qform that can be read: {error}") from None
            found.append(("qform", np.full((3, 4), np.nan)))
    sizes = header.get_data_shape()[:3]
    zooms = decimals(header.get_zooms()[:3])
    if not found and (zooms > 0).all() and np.isfinite(zooms).all():
        found.append(("pixdim", shape_zoom_affine(sizes, zooms, header.default_x_flip)[:3]))
    return found


def _qform(header: Any) -> Matrix:
    zooms = np.abs(header["pixdim"][1:4].astype(float))
    rotation = header.get_qform()[:3, :3] / np.where(zooms == 0, 1, zooms)
    whole = np.round(rotation)
    rotation = np.where(np.abs(rotation - whole) < _ROUNDING, whole, rotation)
    offset = decimals([header[f"qoffset_{axis}"] for axis in "xyz"])
    return np.column_stack([rotation * decimals(np.abs(header["pixdim"][1:4])), offset])


def _disagreements(header: Any, found: list[tuple[str, Matrix]], zooms: Any) -> list[str]:
    """Lines about what does not fit the affine that counts."""
    name, matrix = found[0]
    sizes = (*header.get_data_shape()[:3], 1, 1)[:3]
    norms = np.linalg.norm(matrix[:, :3], axis=0)
    lines = []
    said = np.array([zooms[axis] for axis in "xyz"])
    count = min(3, len(header.get_data_shape()))
    if not np.allclose(norms[:count], said[:count], rtol=1e-3, atol=0):
        lines.append(
            f"{name} and pixdim disagree: {name} says {_spacing(norms)}, pixdim {_spacing(said)}; {name} counts"
        )
    for other, there in found[1:]:
        corners = np.array([[*(n - 1 if bit else 0 for n, bit in zip(sizes, bits, strict=True)), 1] for bits in
                            np.ndindex(2, 2, 2)]).T  # fmt: skip
        off = np.linalg.norm((matrix - there) @ corners, axis=0).max()
        if not off <= _FAR * norms[:count].min():
            far = f"by up to {off:.3g}" if np.isfinite(off) else "(it cannot be read)"
            lines.append(f"{name} and {other} disagree {far}: {name} counts, and {other} is not kept")
    return lines


def _spacing(numbers: Any) -> str:
    return " x ".join(f"{number:.6g}" for number in numbers)


def kept_fields(header: Any, names: Sequence[str]) -> dict[str, Any]:
    """What else a header says that holds for whatever is made from its volume: see `nifti_fields`."""
    kept: dict[str, Any] = {name: int(header[name]) for name in ("sform_code", "qform_code")}
    if int(header["intent_code"]):
        kept["intent_code"] = int(header["intent_code"])
        kept["intent"] = [float(header[f"intent_p{number}"]) for number in (1, 2, 3)]
    for name in ("intent_name", "descrip", "aux_file"):
        if text := bytes(header[name].item()).partition(b"\0")[0].decode("latin-1"):
            kept[name] = text
    if any(limits := [float(header[name]) for name in ("cal_min", "cal_max")]):
        kept["cal"] = limits
    _, time = header.get_xyzt_units()
    if time != "unknown" and (time not in UNITS or "t" not in names):
        kept["time_unit"] = time
    missing = [axis for axis in "xyz" if axis not in names]
    if missing and (found := _affines(header)):
        kept["slice"] = [found[0][1][:, "xyz".index(axis)].tolist() for axis in missing]
    return {name: value for name, value in kept.items() if np.isfinite(_numbers(value)).all()}


def not_kept(header: Any) -> list[str]:
    """Fields that hold for the grid as it was scanned, and are not kept: of the order and times of slices."""
    names = ("slice_code", "slice_duration", "slice_start", "slice_end", "dim_info")
    return [name for name in names if name in header.keys() and np.asarray(header[name]).any()]  # noqa: SIM118


def _numbers(value: Any) -> Any:
    return 0 if isinstance(value, str) else np.asarray(value, float)
