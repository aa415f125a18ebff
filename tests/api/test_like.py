"""Onto another image's grid: affine_zarr(like=) and `vrdask affine --like`, against SciPy, nilearn and SimpleITK."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from numpy.testing import assert_allclose, assert_array_equal
from scans import AFFINES, affine, nibabel, ramp_of, rotation, world_of, write
from scipy import ndimage

import vrdask
from vrdask.api.affine_zarr import affine_zarr
from vrdask.cli import main
from vrdask.sources import open_source

SHAPE, GRID = (33, 30, 27), (25, 40, 19)
"""Of sources and references: x, y, z."""
MIDDLE = np.array([-20.0, 25.0, -40.0])
ORDER = {"nearest": 0, "linear": 1, "cubic": 3}
SCIPY = {"constant": "constant", "border": "nearest", "reflection": "reflect", "mirror": "mirror"}


def centred(matrix, shape, middle=MIDDLE):
    """The matrix moved so that the middle of the volume lies at one place of the world."""
    found = matrix.copy()
    found[:3, 3] = middle - matrix[:3, :3] @ ((np.array(shape) - 1) / 2)
    return found


REFERENCE = centred(affine(rotation(8, -4, 15), (1.2, 0.9, 2.5), (0, 0, 0)), GRID, MIDDLE + np.array([1.5, -2, 3]))


@pytest.fixture(params=["RAS", "LAS", "PIR", "oblique", "oblique, left-handed", "sheared"])
def scan(request, tmp_path):
    """A source and a reference that overlap, as nibabel reads them."""
    data = np.random.default_rng(0).random(SHAPE, np.float32)
    there = write(tmp_path / "source.nii.gz", data, centred(AFFINES[request.param], SHAPE))
    onto = write(tmp_path / "reference.nii", np.zeros(GRID, "u1"), REFERENCE)
    return there, onto


def samples_of(place):
    return np.asarray(nibabel.load(place).dataobj)


@pytest.mark.parametrize(
    ("mode", "padding"),
    [(mode, padding) for mode in ORDER for padding in SCIPY if (mode, padding) != ("cubic", "border")],
)  # where SciPy filters a padded array: see affine_transform
def test_the_samples_are_scipys(scan, tmp_path, mode, padding):
    there, onto = scan
    affine_zarr(tmp_path / "source.nii.gz", tmp_path / "out.nii", mode=mode, padding_mode=padding,
                like=tmp_path / "reference.nii")  # fmt: skip
    made = nibabel.load(tmp_path / "out.nii")
    assert_array_equal(made.affine, onto.affine)
    assert made.shape == GRID
    whole = np.linalg.inv(there.affine) @ onto.affine
    expected = ndimage.affine_transform(np.asarray(there.dataobj), whole, output_shape=GRID, order=ORDER[mode],
                                        mode=SCIPY[padding])  # fmt: skip
    assert (expected != 0).any()
    got = np.asarray(made.dataobj)
    if mode == "nearest":
        assert (got != expected).mean() < 1e-4  # of positions between two samples
    else:
        # beside the outermost samples rounding decides what is outside
        assert np.quantile(np.abs(got - expected), 0.999) < 2e-5


@pytest.mark.parametrize(("mode", "name"), [("linear", "linear"), ("nearest", "nearest"), ("cubic", "continuous")])
def test_the_samples_are_nilearns(scan, tmp_path, mode, name):
    nilearn = pytest.importorskip("nilearn.image")
    there, onto = scan
    affine_zarr(tmp_path / "source.nii.gz", tmp_path / "out.nii.gz", mode=mode, like=tmp_path / "reference.nii")
    expected = nilearn.resample_img(there, onto.affine, GRID, interpolation=name, clip=False, force_resample=True,
                                    copy_header=True)  # fmt: skip
    found = nibabel.load(tmp_path / "out.nii.gz")
    assert_array_equal(found.affine, expected.affine.astype("f4"))
    difference = np.abs(np.asarray(found.dataobj) - expected.get_fdata())
    assert np.quantile(difference, 0.999) < 2e-5
    assert (difference > 1e-4).mean() < 1e-3


def test_the_samples_are_simpleitks_within_the_source(scan, tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    there, _ = scan
    if abs(np.linalg.det(there.affine[:3, :3] / np.linalg.norm(there.affine[:3, :3], axis=0))) < 0.99:
        pytest.skip("ITK refuses directions that are not at right angles")
    affine_zarr(tmp_path / "source.nii.gz", tmp_path / "out.nii", like=tmp_path / "reference.nii", fill_value=-1)
    images = [sitk.ReadImage(str(tmp_path / name)) for name in ("source.nii.gz", "reference.nii", "out.nii")]
    expected = sitk.GetArrayFromImage(sitk.Resample(images[0], images[1], sitk.Transform(), sitk.sitkLinear, -1.0))
    got = sitk.GetArrayFromImage(images[2])
    inside = got != -1  # ITK holds the outermost samples' value for another half
    assert inside.mean() > 0.2
    assert_allclose(got[inside], expected[inside], atol=5e-5)
    for there, here in (
        (images[1].GetOrigin(), images[2].GetOrigin()),
        (images[1].GetDirection(), images[2].GetDirection()),
    ):
        assert_allclose(here, there, atol=1e-5)


@pytest.mark.parametrize("name", AFFINES)
@pytest.mark.parametrize("target", ["out.nii.gz", "out.zarr"])
def test_a_ramp_of_the_world_lies_where_the_reference_says(tmp_path, name, target):
    matrix = centred(AFFINES[name], SHAPE)
    write(tmp_path / "source.nii", ramp_of(matrix, SHAPE), matrix)
    write(tmp_path / "reference.nii", np.zeros(GRID, "u1"), REFERENCE)
    affine_zarr(tmp_path / "source.nii", tmp_path / target, like=tmp_path / "reference.nii", fill_value=np.nan)
    made = open_source(tmp_path / target)
    assert_allclose(np.array(made.image.affine)[:, [2, 1, 0, 3]], REFERENCE[:3], atol=1e-5)
    samples = made.array[tuple(slice(0, n) for n in made.array.shape)].T
    inside = np.isfinite(samples)
    assert inside.mean() > 0.2
    expected = world_of(REFERENCE, GRID) @ [1.0, 100.0, 10_000.0]
    assert_allclose(samples[inside], expected[inside], atol=0.5)


@pytest.mark.parametrize("middle", ["iso.nii.gz", "iso.zarr", "plain.zarr"])
def test_a_mask_goes_there_and_back(tmp_path, middle):
    """A scan to 1.5 mm before a network, and its mask back to the scanner's grid."""
    matrix = affine(rotation(5, 10, -3), (0.9, 0.9, 3.0), (30, -60, 10))
    place = world_of(matrix, (40, 44, 16))
    ball = np.linalg.norm(place - place.reshape(-1, 3).mean(axis=0), axis=-1)
    there = write(tmp_path / "ct.nii.gz", (1000 - ball * 10).astype("i2"), matrix)
    vrdask.resample_zarr(tmp_path / "ct.nii.gz", tmp_path / middle, spacing=1.5)
    mask = (open_source(tmp_path / middle).array[:, :, :] > 850).astype("u1")
    if middle == "iso.nii.gz":
        made = nibabel.load(tmp_path / middle)
        nibabel.save(nibabel.Nifti1Image(mask.T, made.affine), tmp_path / "mask.nii.gz")
        labels = tmp_path / "mask.nii.gz"
    else:
        labels = tmp_path / "mask.zarr"
        vrdask.resample_zarr(tmp_path / middle, labels, mask.shape, mode="nearest", dtype="uint8")
        zarr.open_array(labels / "0", mode="r+")[:] = mask
    back = affine_zarr(
        labels, tmp_path / "back.nii.gz", like=tmp_path / "ct.nii.gz", mode="nearest", padding_mode="border"
    )
    made = nibabel.load(tmp_path / "back.nii.gz")
    assert made.shape == there.shape
    assert_array_equal(made.affine, there.affine)
    assert made.get_data_dtype() == np.uint8
    assert back.shape == there.shape[::-1]
    got = np.asarray(made.dataobj)
    assert set(np.unique(got)) == {0, 1}
    assert_array_equal(got[ball < 13], 1)  # a voxel within the surface, and one outside
    assert_array_equal(got[ball > 17], 0)


def ome(place, data, scale, translation, names="zyx", unit="micrometer"):
    kinds = {"t": "time", "c": "channel"}
    axes = [{"name": n, "type": kinds.get(n, "space"), **({"unit": unit} if n in "zyx" else {})} for n in names]
    group = zarr.open_group(place, mode="w")
    group.create_array("0", data=data, chunks=tuple(min(9, n) for n in data.shape))
    steps = [{"type": "scale", "scale": scale}, {"type": "translation", "translation": translation}]
    multiscale = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": steps}]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale]}


@pytest.mark.parametrize("names", ["zyx", "yx", "czyx", "tcyx"])
def test_images_of_scale_and_translation_share_their_own_world(tmp_path, names):
    """A ramp of coordinates, other axes than those of space batches."""
    space = [n for n in names if n in "zyx"]
    scale, translation = {"z": 2.0, "y": 0.5, "x": 0.75}, {"z": 10.0, "y": -3.0, "x": 0.25}
    shape = {"t": 2, "c": 3, "z": 12, "y": 21, "x": 17}
    index = np.indices([shape[n] for n in names]).astype(float)
    weight = {"z": 1, "y": 100, "x": 10_000, "c": 1e6, "t": 1e7}
    ramp = sum(weight[n] * (index[k] * scale.get(n, 1) + translation.get(n, 0)) for k, n in enumerate(names))
    ome(tmp_path / "a.zarr", ramp, [scale.get(n, 1.0) for n in names], [translation.get(n, 0.0) for n in names], names)
    sizes, steps, starts = [9, 7, 8][-len(space) :], [1.5, 0.7, 1.1][-len(space) :], [11.0, -2.0, 1.0][-len(space) :]
    ome(tmp_path / "b.zarr", np.zeros(sizes, "u1"), steps, starts, "".join(space))
    result = affine_zarr(tmp_path / "a.zarr", tmp_path / "out.zarr", like=tmp_path / "b.zarr", fill_value=np.nan)
    assert result.shape == tuple([shape[n] for n in names if n not in space] + sizes)
    made = open_source(tmp_path / "out.zarr").image
    assert made.scale[-len(space) :] == tuple(steps)
    assert made.translation[-len(space) :] == tuple(starts)
    assert made.axis_names == tuple(names)
    index = np.indices(result.shape)
    expected = sum(weight[n] * (index[k] * made.scale[k] + made.translation[k]) for k, n in enumerate(names))
    got = result[:]
    assert np.isfinite(got).mean() > 0.5
    assert_allclose(got[np.isfinite(got)], expected[np.isfinite(got)], rtol=1e-9)


def test_an_array_of_four_axes_takes_the_grid_of_a_volume(tmp_path):
    data = np.random.default_rng(0).random((*SHAPE, 3)).astype("f4")
    matrix = centred(AFFINES["oblique"], SHAPE)
    write(tmp_path / "bold.nii", data, matrix, pixdim=[1, 1, 1, 1, 2.2, 0, 0, 0])
    write(tmp_path / "t1.nii", np.zeros(GRID, "u1"), REFERENCE)
    result = affine_zarr(tmp_path / "bold.nii", tmp_path / "out.nii", like=tmp_path / "t1.nii", mode="cubic")
    assert result.shape == (3, *GRID[::-1])
    made = nibabel.load(tmp_path / "out.nii")
    assert made.header["pixdim"][4] == np.float32(2.2)
    for volume in range(3):
        write(tmp_path / "one.nii", data[..., volume], matrix)
        affine_zarr(tmp_path / "one.nii", tmp_path / "one.zarr", like=tmp_path / "t1.nii", mode="cubic", overwrite=True)
        assert_array_equal(result[volume], open_source(tmp_path / "one.zarr").array[:, :, :])


@pytest.mark.parametrize("suffix", ["txt", "tfm"])
def test_a_world_transform_moves_the_source(tmp_path, suffix):
    sitk = pytest.importorskip("SimpleITK")
    matrix = centred(AFFINES["LAS"], SHAPE)
    write(tmp_path / "s.nii", np.random.default_rng(0).random(SHAPE, np.float32), matrix)
    write(tmp_path / "r.nii", np.zeros(GRID, "u1"), REFERENCE)
    moved = sitk.AffineTransform(3)
    moved.SetMatrix((rotation(4, 5, 6) * 1.05).ravel().tolist())
    moved.SetCenter([20.0, -25.0, -40.0])
    moved.SetTranslation([1.0, 2.0, -1.5])
    if suffix == "tfm":
        sitk.WriteTransform(moved, str(tmp_path / "world.tfm"))
    else:
        centre, turn = np.array(moved.GetCenter()), rotation(4, 5, 6) * 1.05
        world = np.eye(4)
        world[:3, :3], world[:3, 3] = turn, centre + moved.GetTranslation() - turn @ centre
        np.savetxt(tmp_path / "world.txt", np.diag([-1, -1, 1, 1]) @ world @ np.diag([-1, -1, 1, 1]))
    done = CliRunner().invoke(main, ["affine", str(tmp_path / "s.nii"), str(tmp_path / "out.nii"), "--like",
                                     str(tmp_path / "r.nii"), "--matrix", str(tmp_path / f"world.{suffix}"),
                                     "--fill-value", "-1"])  # fmt: skip
    assert done.exit_code == 0, done.output
    source, reference = (sitk.ReadImage(str(tmp_path / name)) for name in ("s.nii", "r.nii"))
    expected = sitk.GetArrayFromImage(sitk.Resample(source, reference, moved, sitk.sitkLinear, -1.0))
    got = samples_of(tmp_path / "out.nii").T
    inside = got != -1
    assert inside.mean() > 0.2
    assert_allclose(got[inside], expected[inside], atol=5e-5)


def test_a_turn_of_samples_keeps_the_place_of_a_scan(tmp_path):
    """A matrix of samples, without a reference: what the scanner's space says of the result."""
    matrix = centred(AFFINES["oblique"], SHAPE)
    write(tmp_path / "s.nii", ramp_of(matrix, SHAPE), matrix)
    turn = rotation(20, 3, -8) * np.array([1.3, 0.7, 1.0])
    offset = (np.array(SHAPE[::-1]) - 1) / 2 - turn @ [10, 10, 10]
    for target in ("out.nii", "out.zarr"):
        affine_zarr(tmp_path / "s.nii", tmp_path / target, turn, offset, (21, 21, 21), fill_value=np.nan)
        made = open_source(tmp_path / target)
        samples = made.array[:, :, :]
        place = np.einsum(
            "ij,zyxj->zyxi", np.array(made.image.affine)[:, :3], np.moveaxis(np.indices(samples.shape), 0, -1)
        )
        expected = (place + np.array(made.image.affine)[:, 3]) @ [1.0, 100.0, 10_000.0]
        inside = np.isfinite(samples)
        assert inside.mean() > 0.2
        assert_allclose(samples[inside], expected[inside], atol=0.5)
        assert_allclose(made.image.scale, np.linalg.norm(np.array(made.image.affine)[:, :3], axis=0), rtol=1e-6)


def test_what_is_lost_is_said_once(tmp_path, caplog):
    write(tmp_path / "s.nii", np.zeros(SHAPE, "u1"), AFFINES["RAS"])
    write(tmp_path / "r.nii", np.zeros(GRID, "u1"), REFERENCE)
    with caplog.at_level(logging.WARNING):
        affine_zarr(tmp_path / "s.nii", tmp_path / "out.zarr", like=tmp_path / "r.nii")
    turn = REFERENCE[:3, :3] / np.linalg.norm(REFERENCE[:3, :3], axis=0)
    off = np.rad2deg(np.arccos(np.abs(turn).max(axis=0))).max()
    assert caplog.messages == [
        f"OME-Zarr holds no oblique directions: the axes lie up to {off:.3g} degrees off those it says; "
        "the array's attribute 'vrdask' holds the affine"
    ]
    arguments = ["affine", str(tmp_path / "s.nii"), str(tmp_path / "two.zarr"), "--like", str(tmp_path / "r.nii")]
    assert "holds no oblique directions" in CliRunner().invoke(main, [*arguments, "--dry-run"]).output
    assert CliRunner().invoke(main, [*arguments, "--quiet"]).output == ""


@pytest.fixture
def places(tmp_path):
    write(tmp_path / "scan.nii", np.zeros((8, 9, 10), "u1"), AFFINES["LAS"])
    write(tmp_path / "flat.nii", np.zeros((8, 9), "u1"), AFFINES["LAS"])
    zarr.create_array(tmp_path / "plain.zarr", data=np.zeros((4, 5, 6), "u1"))
    ome(tmp_path / "cells.zarr", np.zeros((4, 5, 6), "u1"), [1.0, 1.0, 1.0], [0.0, 0.0, 0.0])
    return tmp_path


@pytest.mark.parametrize(
    ("source", "reference", "options", "message"),
    [
        (
            "scan.nii",
            "plain.zarr",
            {},
            r"the reference \(like\) must say where its samples lie .*; got no axes of .*plain",
        ),
        ("plain.zarr", "scan.nii", {}, "the source must say where its samples lie .*; got no axes of .*plain.zarr"),
        ("scan.nii", "flat.nii", {}, r"as many axes of space; got z, y, x of .*scan.nii and y, x of .*flat.nii"),
        ("scan.nii", "cells.zarr", {"offset": 1}, "offset must be left out with like"),
        ("scan.nii", "cells.zarr", {"output_shape": (4, 4, 4)}, "output_shape must be left out with like"),
        ("scan.nii", "cells.zarr", {"axes": (0, 1, 2)}, "axes must be left out with like"),
        ("scan.nii", "cells.zarr", {"matrix": np.eye(3)}, "with like, matrix must be a 4 x 4 matrix"),
        ("scan.nii", None, {}, "matrix or like must be given; got neither"),
    ],
)
def test_bad_input_is_refused_by_name_and_leaves_no_trace(places, source, reference, options, message):
    like = reference and places / reference
    with pytest.raises(ValueError, match=message):
        affine_zarr(places / source, places / "out.zarr", like=like, **options)
    assert not (places / "out.zarr").exists()


def test_a_reference_that_is_not_there_is_named(places):
    with pytest.raises(FileNotFoundError, match=r"none\.nii"):
        affine_zarr(places / "scan.nii", places / "out.zarr", like=places / "none.nii")
    said = CliRunner().invoke(main, ["affine", str(places / "scan.nii"), str(places / "out.zarr"), "--like",
                                     str(places / "plain.zarr")])  # fmt: skip
    assert said.exit_code == 1
    assert said.output.count("\n") == 1
    for arguments, message in (
        ([], "give --matrix, --like or both; got neither"),
        (["--like", "x.nii", "--offset", "1", "--axes", "0,1,2"], "--like says the grid; leave out --axes, --offset"),
    ):
        said = CliRunner().invoke(main, ["affine", "a", "b", *arguments])
        assert said.exit_code == 2
        assert message in said.output


def test_an_image_without_directions_is_brought_onto_a_scanners_grid_as_itk_would(places, caplog):
    with caplog.at_level(logging.WARNING):
        affine_zarr(places / "cells.zarr", places / "out.nii", like=places / "scan.nii", mode="nearest")
    assert any("no directions are known: x is taken to point to the left" in line for line in caplog.messages)
    assert_array_equal(nibabel.load(places / "out.nii").affine, nibabel.load(places / "scan.nii").affine)


def test_a_real_head_onto_a_scan_and_back(tmp_path):
    """nilearn's template, at 1 mm, onto a grid of oblique slices, and back."""
    datasets = pytest.importorskip("nilearn.datasets")
    from pathlib import Path

    head = Path(datasets.__file__).parent / "data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
    there = nibabel.load(head)
    grid = (70, 80, 60)
    write(
        tmp_path / "r.nii",
        np.zeros(grid, "u1"),
        centred(affine(rotation(10, 5, 20), (1.5, 1.5, 2), (0,) * 3), grid, [0, -10, 10]),
    )
    affine_zarr(head, tmp_path / "slices.nii.gz", like=tmp_path / "r.nii")
    affine_zarr(tmp_path / "slices.nii.gz", tmp_path / "back.zarr", like=head)
    back = open_source(tmp_path / "back.zarr")
    assert back.array.shape == there.shape[::-1]
    assert_allclose(np.array(back.image.affine)[:, [2, 1, 0, 3]], there.affine[:3])
    samples, original = back.array[:, :, :], np.asarray(there.dataobj).T
    inside = samples > 0
    assert inside.mean() > 0.05
    assert np.corrcoef(samples[inside], original[inside])[0, 1] > 0.9
