"""From a reference's samples to a source's: maps of indices through a world, and transforms of ITK."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scans import AFFINES, affine, rotation

from vrdask.images.axes import image_of
from vrdask.images.itk_transform import read_itk_transform
from vrdask.images.onto import onto
from vrdask.images.orientation import as_affine, placed


def scanned(matrix, names="zyx", unit="millimeter"):
    order = ["xyz".index(name) for name in names]
    return placed(image_of(names, dict.fromkeys(names, (1.0, unit))), as_affine(matrix[:, [*order, 3]]))


def plain(scale, translation, names="zyx", unit="micrometer"):
    image = image_of(names, {name: (size, unit) for name, size in zip(names, scale, strict=True)})
    return replace(image, translation=tuple(translation))


@pytest.mark.parametrize("source", AFFINES)
@pytest.mark.parametrize("reference", AFFINES)
@pytest.mark.parametrize("names", ["zyx", "xyz", "yxz"])
def test_the_map_is_that_of_both_affines(source, reference, names):
    world = affine(rotation(3, 4, 5), (1.0, 1.1, 0.9), (3, 2, 1))
    for through in (None, world):
        grid = onto(scanned(AFFINES[source]), scanned(AFFINES[reference], names), through)
        expected = np.linalg.inv(AFFINES[source]) @ (np.eye(4) if through is None else through) @ AFFINES[reference]
        columns = ["xyz".index(name) for name in names]
        assert_allclose(grid.matrix, expected[[2, 1, 0]][:, columns], atol=1e-9)
        assert_allclose(grid.offset, expected[[2, 1, 0], 3], atol=1e-9)
        assert grid.image.axis_names == tuple(names)
        assert grid.image.affine == scanned(AFFINES[reference], names).affine


def test_an_image_onto_itself_is_the_identity_without_rounding():
    for matrix in AFFINES.values():
        grid = onto(scanned(matrix), scanned(matrix))
        assert (grid.matrix == np.eye(3)).all()
        assert (grid.offset == 0).all()


def test_without_directions_scale_and_translation_are_the_world_of_axes_by_name():
    source, reference = plain((2, 0.5, 0.5), (0, 10, 0)), plain((1, 1, 3), (4, 12, -1), "xyz")
    grid = onto(source, reference)
    assert grid.notes == ()
    assert grid.axes == (0, 1, 2)
    assert_allclose(grid.matrix, [[0, 0, 1.5], [0, 2, 0], [2, 0, 0]])
    assert_allclose(grid.offset, [-0.5, 4, 8])
    milli = plain((1e-3, 1e-3, 1e-3), (0, 0, 0), unit="millimeter")
    assert_allclose(onto(plain((1, 1, 1), (0, 0, 0)), milli).matrix, np.eye(3), atol=1e-12)
    assert_allclose(onto(plain((1, 1, 1), (0, 0, 0), unit=None), plain((2, 2, 2), (0, 0, 0))).matrix, 2 * np.eye(3))


def test_an_image_without_directions_beside_a_scanners_is_taken_as_itk_takes_it():
    lps = scanned(affine(np.diag([-1.0, -1, 1]), (1, 2, 3), (-10, -20, 30)))
    grid = onto(lps, plain((3, 2, 1), (30, 20, 10), unit="millimeter"), names=("a", "b"))
    assert_allclose(grid.matrix, np.eye(3))
    assert_allclose(grid.offset, 0)
    assert grid.notes == (
        "b: no directions are known: x is taken to point to the left, y to the back, z to the top, as ITK would",
    )


def test_planes_map_where_they_coincide():
    flat = AFFINES["oblique"][:, [0, 1, 3]]
    here = placed(image_of("yx", dict.fromkeys("yx", (1.0, "millimeter"))), as_affine(flat[:, [1, 0, 2]]))
    half = here.stepped([2, 0.5], [0.5, -0.25])
    grid = onto(here, half)
    assert_allclose(grid.matrix, np.diag([2, 0.5]), atol=1e-12)
    assert_allclose(grid.offset, [0.5, -0.25], atol=1e-12)
    turned = placed(here, as_affine(AFFINES["RAS"][:, [1, 0, 3]]))
    with pytest.raises(ValueError, match="must lie in one plane; got a and b, of which the second lies up to"):
        onto(here, turned, names=("a", "b"))


@pytest.mark.parametrize(
    ("source", "reference", "world", "message"),
    [
        (None, "zyx", None, "the source must say where its samples lie .*; got no axes of a"),
        ("zyx", None, None, r"the reference \(like\) must say where its samples lie .*; got no axes of b"),
        ("zyx", "nan", None, r"the reference \(like\) must say .*; got no spacing, or no axes of space of b"),
        ("zyx", "yx", None, "must have as many axes of space; got z, y, x of a and y, x of b"),
        ("zyx", "abc", None, "must name the same axes of space where neither says its directions; got z, y, x of a"),
        ("zyx", "zyx", np.eye(3), "with like, matrix must be a 4 x 4 matrix"),
        ("zyx", "zyx", np.zeros((4, 4)), "matrix must have a last row"),
        ("zyx", "zyx", np.diag([1, 1, 0, 1]), "matrix must be invertible"),
        ("zyx", "zyx", np.full((4, 4), np.nan), "finite numbers"),
        ("zyx", "second", None, "must have units of length"),
    ],
)
def test_what_has_no_place_is_refused_by_name(source, reference, world, message):
    images = {
        None: None,
        "zyx": plain((1, 1, 1), (0, 0, 0), "zyx"),
        "nan": plain((1, float("nan"), 1), (0, 0, 0), "zyx"),
        "yx": plain((1, 1), (0, 0), "yx"),
        "abc": replace(plain((1, 1, 1), (0, 0, 0)), axes=tuple({"name": n, "type": "space"} for n in "abc")),
        "second": plain((1, 1, 1), (0, 0, 0), "zyx", unit="parsec"),
    }
    with pytest.raises(ValueError, match=message):
        onto(images[source], images[reference], world, ("a", "b"))


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("kind", ["affine", "translation"])
@pytest.mark.parametrize("suffix", ["tfm", "txt"])
def test_transforms_of_itk_move_points_as_simpleitk_does(tmp_path, count, kind, suffix):
    sitk = pytest.importorskip("SimpleITK")
    rng = np.random.default_rng(0)
    if kind == "affine":
        made = sitk.AffineTransform(count)
        made.SetMatrix((np.eye(count) + 0.2 * rng.normal(size=(count, count))).ravel().tolist())
        made.SetCenter(rng.normal(size=count).tolist())
    else:
        made = sitk.TranslationTransform(count)
    (made.SetTranslation if kind == "affine" else made.SetOffset)(rng.normal(size=count).tolist())
    sitk.WriteTransform(made, str(tmp_path / f"to.{suffix}"))
    matrix = read_itk_transform((tmp_path / f"to.{suffix}").read_text())
    to_lps = np.array([-1, -1, 1])
    for point in rng.normal(size=(5, 3)) * (1, 1, count == 3):
        expected = np.zeros(3)
        expected[:count] = made.TransformPoint((point * to_lps)[:count].tolist())
        assert_allclose((matrix @ [*point, 1])[:3], expected * to_lps, atol=1e-9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must hold one transform"),
        ("Transform: BSplineTransform_double_3_3\nParameters: 1", "got BSplineTransform_double_3_3"),
        ("Transform: AffineTransform_double_3_3\nParameters: 1 2\nFixedParameters: 0 0 0", "12 parameters; got 2"),
        ("Transform: AffineTransform_double_3_3\nParameters: a", "must hold numbers"),
        ("Transform: AffineTransform_double_3_3\n" * 2, "must hold one transform"),
    ],
)
def test_other_transforms_are_refused_by_name(text, message):
    with pytest.raises(ValueError, match=message):
        read_itk_transform("#Insight Transform File V1.0\n" + text)
