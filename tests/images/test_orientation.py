"""The space of a scanner: what axes say of an affine, and an affine through any change of the grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scans import AFFINES, ORIGIN, SPACING, affine, rotation, write

import vrdask
from vrdask.images.axes import image_of
from vrdask.images.orientation import (
    as_affine,
    as_itk_has_it,
    beside,
    degrees_off,
    directions,
    homogeneous,
    is_said_by_axes,
    lengths,
    lost,
    placed,
    require_invertible,
    said_by_axes,
    with_affine,
)
from vrdask.sources import open_source

nibabel = pytest.importorskip("nibabel")

angles = st.tuples(*(st.floats(-180, 180) for _ in range(3)))
spacings = st.tuples(*(st.floats(0.01, 50) for _ in range(3)))
handedness = st.sampled_from([np.diag(one) for one in ([1, 1, 1], [-1, 1, 1], [1, -1, -1], [-1, -1, -1])])


def image(matrix, unit="millimeter", names="zyx"):
    """Axes t, z, y, x placed by a matrix of x, y, z."""
    sizes = dict.fromkeys(names, (1.0, unit)) | {"t": (2.0, "second")}
    order = ["xyz".index(name) for name in names]
    return placed(image_of(("t", *names), sizes), as_affine(matrix[:, [*order, 3]]))


@given(angles, spacings, handedness)
def test_directions_are_nibabels(turns, spacing, hand):
    matrix = affine(rotation(*turns) @ hand, spacing, (1, 2, 3))
    expected = nibabel.io_orientation(matrix)
    assert directions(as_affine(matrix)) == tuple((int(row), int(sign)) for row, sign in expected)


@given(angles, spacings)
def test_degrees_off_are_the_largest_of_nibabels(turns, spacing):
    matrix = affine(rotation(*turns), spacing, (0, 0, 0))
    near = {row for row, _ in directions(as_affine(matrix))}
    assert len(near) == 3
    # nibabel's is to the nearest direction, though two axes may share one; ours is never less
    expected = np.rad2deg(nibabel.affines.obliquity(matrix)).max()
    assert degrees_off(as_affine(matrix)) >= expected - 1e-4


def test_an_axis_says_the_world_coordinate_signed_as_it_points():
    las = image(affine(np.diag([-1.0, 1, 1]), (2, 3, 4), (90, -126, -72)))
    assert [axis.get("orientation", {}).get("value") for axis in las.axes] == [
        None, "inferior-to-superior", "posterior-to-anterior", "right-to-left",
    ]  # fmt: skip
    assert las.scale == (2.0, 4.0, 3.0, 2.0)
    assert las.translation == (0.0, -72.0, -126.0, -90.0)  # 90 mm to the right is -90 to the left
    assert as_itk_has_it(replace(las, affine=None))[0] == (0.0, 0.0, -2.0, 90.0)


@pytest.mark.parametrize("name", AFFINES)
@pytest.mark.parametrize("unit", ["millimeter", "micrometer", "meter", None])
def test_what_axes_and_attribute_say_is_the_affine(name, unit):
    there = image(AFFINES[name], unit)
    straight = len(name) == 3
    assert is_said_by_axes(there) == straight
    assert bool(lost(there)) != straight
    again, note = with_affine(replace(there, affine=None), beside(there).get("affine"))
    assert note is None
    assert_allclose(again.affine, there.affine, rtol=1e-12 if not straight else 1e-6, atol=1e-9)
    if straight:
        assert_allclose(said_by_axes(there), there.affine, rtol=1e-6)
    assert_allclose(lengths(there.affine), np.linalg.norm(AFFINES[name][:3, [2, 1, 0]], axis=0), rtol=1e-6)


@pytest.mark.parametrize("change", ["scale", "translation", "no numbers", "two rows", "flat", "not finite"])
def test_an_affine_that_does_not_fit_any_more_is_not_used_and_that_is_said(change):
    there = image(AFFINES["oblique"])
    said = beside(there)["affine"]
    if change in ("scale", "translation"):
        there = replace(there, **{change: tuple(2 * number for number in getattr(there, change))})
    said = {
        "no numbers": "affine", "two rows": said[:2], "flat": [[0.0] * 4] * 3, "not finite": [[float("nan")] * 4] * 3,
    }.get(change, said)  # fmt: skip
    found, note = with_affine(replace(there, affine=None), said)
    assert found.affine == said_by_axes(there)
    assert "is not used" in note


@given(angles, spacings, angles, spacings, st.tuples(*(st.floats(-30, 30) for _ in range(3))))
def test_a_map_of_indices_keeps_positions(turns, spacing, other_turns, other_spacing, offset):
    there = image(affine(rotation(*turns), spacing, (5, -6, 7)))
    matrix = rotation(*other_turns) * np.array(other_spacing)
    seen = there.seen_through(matrix.tolist(), offset, (1, 2, 3))
    for index in [(0, 0, 0), (1, 2, 3), (10, -4, 6)]:
        here = np.array(seen.affine) @ [*index, 1]
        assert_allclose(here, np.array(there.affine) @ [*(matrix @ index + offset), 1], atol=1e-6 * 50 * 50 * 60)
    assert_allclose(seen.scale[1:], lengths(seen.affine), rtol=1e-6)
    assert seen.scale[0] == 2.0


def test_a_flip_turns_an_axis_round():
    there = image(AFFINES["RAS"])
    seen = there.seen_through([[1, 0, 0], [0, 1, 0], [0, 0, -1]], (0, 0, 9), (1, 2, 3))
    assert seen.axes[3]["orientation"]["value"] == "right-to-left"
    assert seen.scale == there.scale
    assert seen.translation[3] == pytest.approx(-ORIGIN[0] - 9 * SPACING[0])


def test_a_map_that_mixes_time_and_space_or_has_no_space_says_nothing():
    there = image(AFFINES["RAS"])
    mixed = np.eye(4)
    mixed[0, 1] = 1
    assert there.seen_through(mixed.tolist(), (0,) * 4, (0, 1, 2, 3)) is None
    turned = rotation(0, 0, 90).tolist()
    assert replace(there, affine=None).seen_through(turned, (0, 0, 0), (1, 2, 3)) is None


@pytest.mark.parametrize(
    "bad", [np.zeros((3, 4)), np.full((3, 4), np.nan), np.ones((3, 4)), np.eye(4)[:3, [0, 1, 1, 3]]]
)
def test_an_affine_that_cannot_be_inverted_is_refused(bad):
    with pytest.raises(ValueError, match="it must be invertible; got"):
        require_invertible(as_affine(bad), "it")
    assert homogeneous(as_affine(np.eye(4))).tolist() == np.eye(4).tolist()


@pytest.mark.parametrize("name", AFFINES)
@pytest.mark.parametrize("zarr_version", ["0.4", "0.5"])
def test_every_level_of_a_pyramid_keeps_its_place(tmp_path, name, zarr_version):
    write(tmp_path / "in.nii", np.zeros((16, 16, 8), "i2"), AFFINES[name])
    place = tmp_path / "out.zarr"
    vrdask.write_pyramid(tmp_path / "in.nii", place, levels=1, ome_zarr_version=zarr_version)
    vrdask.write_pyramid(place, in_place=True, levels=2, overwrite=True)
    for level in range(3):
        steps = np.diag([2.0**level] * 3 + [1.0])
        steps[:3, 3] = (2**level - 1) / 2
        found = open_source(place, level=level).image.affine
        assert_allclose(np.array(found)[:, [2, 1, 0, 3]], (AFFINES[name] @ steps)[:3], rtol=1e-6, atol=1e-5)
