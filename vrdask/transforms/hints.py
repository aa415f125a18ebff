"""What people of other libraries mean by a name, and when a mode is not what they want: a few words for messages."""

from __future__ import annotations

from typing import Any

from vrdask.transforms.coordinates import Step, ratio

_RESAMPLING = {
    "trilinear": "linear", "nearest-exact": "nearest", "nearest_exact": "nearest", "spline": "cubic",
    "bspline": "cubic", "b-spline": "cubic", "tricubic": "cubic", "lanczos3": "lanczos", "antialias": "lanczos",
    "inter_area": "area_exact", "inter_linear": "linear", "inter_nearest": "nearest", "average": "area",
    "mean": "area", "local_mean": "area_exact", "gaussian": "hamming", "0": "nearest", "1": "linear", "3": "cubic",
}  # fmt: skip
_SAMPLING = {
    **{name: meant for name, meant in _RESAMPLING.items() if meant in ("nearest", "linear", "cubic")},
    "bilinear": "linear", "bicubic": "cubic",
}  # fmt: skip
"""Names that torch, SciPy, scikit-image and OpenCV have for modes."""

KEYWORDS = {
    "order": 'mode="nearest", "linear" and "cubic" are its 0, 1 and 3',
    "anti_aliasing": 'mode="bilinear", "lanczos" or "area" filters what shrinks',
    "antialias": 'mode="bilinear", "lanczos" or "area" filters what shrinks',
    "interpolation": "mode is its name here",
    "interpolator": "mode is its name here",
    "resample": "mode is its name here",
    "method": "mode is its name here",
    "size": "shape is its name here",
    "output_shape": "shape is its name here",
    "output_size": "shape is its name here",
    "target_shape": "shape is its name here",
    "scale_factor": "factor is its name here",
    "scale": "factor is its name here",
    "zoom": "factor is its name here",
    "recompute_scale_factor": "exact=True is its False",
    "preserve_range": "values are always kept in their range",
    "cval": "fill_value is its name here",
    "box": "region is its name here, by axis",
    "new_spacing": "spacing is its name here",
    "out_spacing": "spacing is its name here",
    "n_jobs": "num_threads is its name here",
    "threads": "num_threads is its name here",
}
"""What is meant by arguments that other libraries' functions have."""


def did_you_mean(mode: Any, sampling: bool = False) -> str:
    """The end of a message about a mode that is not known; empty where nothing is known to be meant.

    >>> did_you_mean("trilinear"), did_you_mean("bilinear", sampling=True), did_you_mean("wavy")
    (": did you mean 'linear'?", ": did you mean 'linear'?", '')
    """
    meant = (_SAMPLING if sampling else _RESAMPLING).get(str(mode).lower())
    return "" if meant is None else f": did you mean {meant!r}?"


def aliasing(resampling: Any) -> str | None:
    """What to say of a `Resampling` that weighs few samples of an axis that shrinks below half; None for nothing."""
    steps = resampling.steps or (None,) * len(resampling.in_shape)
    axes = zip(resampling.in_shape, resampling.out_shape, steps, resampling.axis_modes, strict=True)
    shrinking = {mode for n_in, n_out, step, mode in axes if _is_below_half(n_in, n_out, step)}
    found = [mode for mode in ("nearest", "linear", "cubic") if mode in shrinking]
    if not found:
        return None
    return (
        f"{' and '.join(found)} below half size leaves samples out, so that fine detail aliases; "
        "bilinear, lanczos and area weigh them all"
    )


def _is_below_half(n_in: int, n_out: int, step: Step | None) -> bool:
    inputs, outputs = ratio(n_in, n_out, step)
    return inputs > 2 * outputs
