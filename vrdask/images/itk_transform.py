"""ITK's text files of transforms (`.tfm`, `.txt`), as antsRegistration, Slicer and SimpleITK write them. Pure.

ITK's points are in millimetres to the left, the back and the top (LPS+), and a transform leads from the fixed image,
the reference, to the moving one, the source: ``matrix @ (x - centre) + centre + translation``.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

BEGINS = "#Insight Transform File"
KNOWN = ("AffineTransform", "MatrixOffsetTransformBase", "TranslationTransform")
_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read_itk_transform(text: str) -> npt.NDArray[np.float64]:
    """The 4 x 4 matrix of an affine transform, between worlds in RAS+.

    Raises
    ------
    ValueError
        There is none, or more than one, or one of another kind.
    """
    lines = [line.partition(":") for line in text.splitlines() if ":" in line and not line.startswith("#")]
    said = {name.strip(): value.split() for name, _, value in lines}
    kinds = [value.strip() for name, _, value in lines if name.strip() == "Transform"]
    if len(kinds) != 1 or not kinds[0].startswith(KNOWN):
        raise ValueError(
            f"a transform file must hold one transform, of {', '.join(KNOWN)}; got {', '.join(kinds) or 'none'}: "
            "SimpleITK's AffineTransform can be made of rigid and similar ones"
        )
    kind = kinds[0]
    try:
        numbers, fixed = ([float(one) for one in said.get(name, [])] for name in ("Parameters", "FixedParameters"))
    except ValueError as error:
        raise ValueError(f"a transform file must hold numbers; {error}") from None
    count = 2 if kind.endswith("_2_2") else 3
    expected = (count, 0) if kind.startswith("Translation") else (count * count + count, count)
    if (
        len(numbers) != expected[0]
        or len(fixed) not in (expected[1], 0)
        or not all(map(math.isfinite, numbers + fixed))
    ):
        raise ValueError(f"a {kind} must have {expected[0]} parameters; got {len(numbers)}")
    matrix = np.eye(count)
    if len(numbers) > count:
        matrix = np.array(numbers[:-count]).reshape(count, count)
    centre = np.array(fixed or [0.0] * count) if len(numbers) > count else np.zeros(count)
    whole = np.eye(4)
    whole[:count, :count] = matrix
    whole[:count, 3] = np.array(numbers[-count:]) + centre - matrix @ centre
    return _TO_RAS @ whole @ _TO_RAS
