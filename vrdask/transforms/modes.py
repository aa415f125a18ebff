"""The modes: for each, the operators of one axis and the reference that defines the result.

An axis that keeps its size needs no operator in any mode: interpolation returns the samples. (One with a step of its
own does: its samples move. A window of whole samples that are kept picks them.) Otherwise a mode gives
one or two operators: two where an intermediate at the input's size costs less than one wide table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from vrdask.transforms import filters, interpolators
from vrdask.transforms.coordinates import Step, Window
from vrdask.transforms.operators import Operator
from vrdask.transforms.prefilter import Prefilter

Rows = Callable[..., tuple[Prefilter | None, Operator]]
"""(n_in, n_out, align_corners, in float64?, step=None) -> (operator at the input's size or None, to the output's)."""


@dataclass(frozen=True)
class Mode:
    """A way to resample.

    takes_align_corners : whether `align_corners=True` is defined for it.
    copies : every output is one input sample, so that any dtype works.
    reference : the function that defines the result.
    """

    name: str
    rows: Rows
    reference: str
    takes_align_corners: bool = True
    copies: bool = False


def _nearest(
    n_in: int, n_out: int, align_corners: bool, double: bool, step: Step | None = None
) -> tuple[None, Operator]:
    return None, interpolators.nearest(n_in, n_out, align_corners, step)


def _linear(
    n_in: int, n_out: int, align_corners: bool, double: bool, step: Step | None = None
) -> tuple[None, Operator]:
    return None, interpolators.linear(n_in, n_out, align_corners, step)


def _area(n_in: int, n_out: int, align_corners: bool, double: bool, step: Step | None = None) -> tuple[None, Operator]:
    return None, interpolators.area(n_in, n_out, step)


def _area_exact(
    n_in: int, n_out: int, align_corners: bool, double: bool, step: Step | None = None
) -> tuple[None, Operator]:
    return None, interpolators.area_exact(n_in, n_out, step)


def _cubic(
    n_in: int, n_out: int, align_corners: bool, double: bool, step: Step | None = None
) -> tuple[Prefilter | None, Operator]:
    # A shrinking axis folds the prefilter into its four taps: 30 taps (60 in double) for few outputs. A growing axis
    # would pay them for many outputs; it filters its few inputs first, and so does one that keeps two thirds in double,
    # where that measured faster. Sizes decide, never the chunk.
    values = interpolators.b_spline(n_in, n_out, align_corners, step)
    ratio = step.step if isinstance(step, Window) else Fraction(n_in, n_out)
    if ratio < 1 or (double and 2 * ratio < 3):
        return Prefilter.precise(n_in, double), values
    return None, interpolators.compose(values, interpolators.prefilter(n_in, radius=28 if double else 13))


def _filtered(name: str) -> Rows:
    def rows(
        n_in: int, n_out: int, align_corners: bool, double: bool, step: Step | None = None
    ) -> tuple[None, Operator]:
        return None, filters.filtered(name, n_in, n_out, step)

    return rows


MODES = {
    mode.name: mode
    for mode in (
        Mode("nearest", _nearest, 'torch interpolate(mode="nearest-exact")', copies=True),
        Mode("linear", _linear, 'torch interpolate(mode="linear", "bilinear", "trilinear")'),
        Mode("area", _area, 'torch interpolate(mode="area")', takes_align_corners=False),
        Mode("area_exact", _area_exact, "OpenCV resize(INTER_AREA)", takes_align_corners=False),
        Mode("cubic", _cubic, 'scipy.ndimage.zoom(order=3, mode="reflect")'),
        *(
            Mode(name, _filtered(name), f"Pillow Image.resize with the filter {name}", takes_align_corners=False)
            for name in filters.FILTERS
        ),
    )
}


@lru_cache(maxsize=128)
def axis_operators(
    mode: str, n_in: int, n_out: int, align_corners: bool, double: bool, step: Step | None = None
) -> tuple[Prefilter | None, Operator | None]:
    """The operators of one axis, first and second; None where there is nothing to do.

    A pure function of its arguments: whoever receives a plan (another process, a worker) computes the same tables once.
    """
    if n_in == n_out and step is None:
        return None, None
    if isinstance(step, Window) and step.step == 1 and step.start.denominator == 1:
        return None, interpolators.nearest(n_in, n_out, False, step)
    return MODES[mode].rows(n_in, n_out, align_corners, double, step)
