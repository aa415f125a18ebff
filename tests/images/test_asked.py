"""What is asked for axis by axis: exactly as typed, by name or in order, with units."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vrdask.images.asked import Axes, exact, exact_quantity, of_axes, per_axis, region_of
from vrdask.images.axes import UNITS, image_of
from vrdask.images.sizes import sizes_of
from vrdask.images.units import SIZES, conversion, quantity, unit_named

ZYX = Axes(("z", "y", "x"), (0, 1, 2))
TCZYX = Axes(("t", "c", "z", "y", "x"), (2, 3, 4))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.1, "1/10"), ("0.1", "1/10"), (np.float32(0.1), "1/10"), (np.float64(0.7), "7/10"), (3, "3"),
        ("1e-3", "1/1000"),
        (np.int16(3), "3"), (Decimal("0.30"), "3/10"), (Fraction(1, 3), "1/3"), ("1/3", "1/3"), (" 2.50 ", "5/2"),
        (1e22, "10000000000000000000000"), (5e-324, Fraction("5e-324")), (".5", "1/2"), ("1_000", "1000"), (2.0, "2"),
    ],
)  # fmt: skip
def test_numbers_are_those_that_were_typed(value, expected):
    assert exact(value, "factor") == Fraction(expected)


@given(st.floats(1e-300, 1e300))
def test_a_float_is_its_shortest_decimal(value):
    assert exact(value, "factor") == Fraction(repr(value)) == exact(repr(value), "factor")


@pytest.mark.parametrize("value", [0, -1, 0.0, "0", "-0.5", float("nan"), float("inf"), "inf", "nan", Decimal("NaN")])
def test_numbers_that_are_no_ratio_are_refused(value):
    with pytest.raises(ValueError, match="factor must be positive and finite"):
        exact(value, "factor")


@pytest.mark.parametrize("value", [None, True, np.True_, 1j, [1], "half", "", "1e99999", "1 2", "--1", "2um"])
def test_what_is_no_number_is_refused(value):
    with pytest.raises((TypeError, ValueError), match="factor must be a number"):
        exact(value, "factor")


@pytest.mark.parametrize("number", ["1e-999999", "1e4000", Decimal("1e999999"), "1" * 5000])
def test_numbers_of_absurd_length_are_refused_at_once(number):
    with pytest.raises(ValueError, match="factor must be"):
        exact(number, "factor")
    assert exact("1e400", "factor") == 10**400


def test_every_unit_is_known_by_every_name():
    for short, name in UNITS.items():
        assert unit_named(short) == name
        assert name in SIZES
        assert quantity(f"2{short}") == quantity(f"2 {name}") == quantity(f"2 {name}s") == (2, name)
    assert quantity("1.5 millimetres") == (Fraction(3, 2), "millimeter")
    assert quantity("3 furlongs") is None
    assert exact_quantity("2 µm", "spacing") == exact_quantity("2um", "spacing")


@given(st.sampled_from(sorted(SIZES)), st.sampled_from(sorted(SIZES)))
def test_conversions_are_exact_and_there_and_back_is_nothing(one, other):
    there, back = conversion(one, other), conversion(other, one)
    if SIZES[one][0] != SIZES[other][0]:
        assert there is back is None
    else:
        assert there * back == 1


def test_texts_by_axis():
    assert per_axis("factor", "z=1,y=0.5") == {"z": "1", "y": "0.5"}
    assert per_axis("factor", (1, 2)) == (1, 2)
    for text, said in (("z=1,0.5", "name every axis or none"), ("z=1,z=2", "name an axis once"), ("z=", "every axis")):
        with pytest.raises(ValueError, match=said):
            per_axis("factor", text)


@pytest.mark.parametrize(
    ("given", "axes", "numbers", "values"),
    [
        (0.5, None, (2, 3, 4), [0.5] * 3), ((1, 2), None, (3, 4), [1, 2]),
        ((1, 2, 3, 4), None, (1, 2, 3, 4), [1, 2, 3, 4]),
        ({"x": 1, "z": 2}, None, (4, 2), [1, 2]), (2, ("y", "t"), (3, 0), [2, 2]), (2, "y,x", (3, 4), [2, 2]),
        ((1, 2), (-1, 0), (4, 0), [1, 2]), ({"X": 1}, None, (4,), [1]), ({4: 1}, None, (4,), [1]),
        ({"4": 1}, None, (4,), [1]),
    ],
)  # fmt: skip
def test_axes_are_called_by_name_or_number_or_in_order(given, axes, numbers, values):
    assert of_axes("factor", given, axes, TCZYX) == (numbers, values)


@pytest.mark.parametrize(
    ("given", "axes", "said"),
    [
        ({"q": 1}, None, "axes must be among those of the array, t, c, z, y, x; got 'q'"),
        ({"z": 1}, ("z",), "axes must be left out where factor names them"),
        ({"z": 1, 2: 1}, None, "axes must not repeat"),
        ({}, None, "factor must name at least one axis"),
        ([], None, "factor must give at least one number"),
        ([1] * 6, None, "factor must give at most 5 numbers"),
        ([1, 2], ("x",), "factor must give one number, or one per axis; got 2 for 1 axes"),
        (1, (9,), r"axes must lie in \[-5, 5\)"),
        (1, (0.5,), "axes must be names or integers"),
    ],
)
def test_axes_that_are_not_there_are_refused(given, axes, said):
    with pytest.raises((TypeError, ValueError), match=said):
        of_axes("factor", given, axes, TCZYX)


def test_an_array_without_names_says_so():
    with pytest.raises(ValueError, match="axes must be numbers for an array without names of axes; got 'z'"):
        Axes((None, None), (0, 1)).number("z")


@pytest.mark.parametrize(
    "given",
    [{"y": (5, 9)}, {"y": slice(5, 9)}, {"y": [np.int64(5), 9]}, "y=5:9", {1: (5, 9)}, {"y": "5:9"}, {-2: (5, 9)}],
)
def test_regions_in_all_their_forms(given):
    assert region_of(given, ZYX, (10, 20, 30)) == ((0, 10), (5, 9), (0, 30))
    assert region_of("x=:7,z=3:", ZYX, (10, 20, 30)) == ((3, 10), (0, 20), (0, 7))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("y=5:21", "stop behind that and at 20 at most; got 5:21"), ("y=9:9", "got 9:9"), ("y=9:5", "got 9:5"),
        ("y=-3:5", "got -3:5"), ("y=20:", "got 20:20"), ("q=0:1", "axes must be among"), ("y=3", "a start and a stop"),
        ("y=0:9:2", "a start and a stop"), ({"y": (0.5, 3)}, "two integers"),
        ({"y": slice(0, 9, 2)}, "a start and a stop"),
        ("5:9", "region must give starts and stops by axis"), ({}, "region must give"), (5, "region must give"),
        ({"y": "a:b"}, "two integers"), ({"y": (0, 1), 1: (0, 2)}, "axes must not repeat"),
    ],
)  # fmt: skip
def test_regions_that_are_none_are_refused(given, said):
    with pytest.raises((TypeError, ValueError), match=said):
        region_of(given, ZYX, (10, 20, 30))


@pytest.mark.parametrize(
    ("n", "factor", "size"),
    [
        (15, 0.7, 11),
        (15, "0.1", 2),
        (5, 0.1, 1),
        (25, 0.58, 15),
        (3, 0.1, 1),
        (10, "1/3", 3),
        (45, 0.3, 14),
        (1, 0.5, 1),
    ],
)
def test_sizes_round_half_up_in_decimals(n, factor, size):
    # in floats 15 * 0.7 is just below, 25 * 0.58 just above what it is
    assert sizes_of((n,), Axes((None,), (0,)), None, factor, None, None, False).shape == (size,)


def test_a_spacing_is_converted_to_the_images_unit():
    image = image_of("zyx", {"z": (3.0, "micrometer"), "y": (500.0, "nanometer"), "x": (0.0005, "millimeter")})

    def asked(spacing, **options):
        return sizes_of((10, 20, 30), ZYX, None, None, spacing, None, False, image=image, **options)

    assert asked("2um").shape == (15, 5, 8)
    assert asked("2um", exact=True).steps == (Fraction(2, 3), 4, 4)
    assert asked({"z": "0.000002 m", "x": "2000nm"}, exact=True).steps == (Fraction(2, 3), 4)
    for spacing, said in (("2s", "must be in micrometer"), ("2", None)):
        if said is None:
            assert asked({"z": spacing}).shape == (15,)
        else:
            with pytest.raises(ValueError, match=said):
                asked(spacing)


def test_what_no_file_says_is_unknown():
    pages = image_of("iyx", {"y": (1.0, "micrometer"), "x": (1.0, None)})
    known = Axes(pages.axis_names, pages.space_axes)
    for axes, spacing, said in (
        ((0, 1), 2.0, "gives none for axis i"),
        ((2,), "2um", "spacing of axis x must be without a unit, since .* gives none"),
    ):
        with pytest.raises(ValueError, match=said):
            sizes_of((5, 6, 7), known, None, None, spacing, axes, False, image=pages)
    assert sizes_of((5, 6, 7), known, None, None, 2, None, False, image=pages).axes == (1, 2)


def test_exactly_one_of_shape_factor_and_spacing():
    for one in ((None, None, None), (5, 0.5, None), (None, 0.5, 2)):
        with pytest.raises(ValueError, match="exactly one of shape, factor and spacing must be given"):
            sizes_of((5, 6, 7), ZYX, *one, None, False)
    with pytest.raises(ValueError, match="exact must be False with shape"):
        sizes_of((5, 6, 7), ZYX, 5, None, None, None, False, exact=True)
    with pytest.raises(ValueError, match="factor must be without a unit"):
        sizes_of((5, 6, 7), ZYX, None, "2um", None, None, False)
