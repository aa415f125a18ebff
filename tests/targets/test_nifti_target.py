"""NIfTI files as targets: what nibabel and SimpleITK read of them."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import zarr
from cut_off import RESULT, expected, interrupted, source  # noqa: F401
from numpy.testing import assert_allclose, assert_array_equal
from scans import AFFINES, nibabel, ramp_of, world_of, write

import vrdask
from vrdask.api.affine_zarr import affine_zarr
from vrdask.api.resample_zarr import prepare
from vrdask.sources import open_source
from vrdask.targets import streamed
from vrdask.targets.nifti import TYPES

DATA = np.random.default_rng(0).integers(0, 200, (21, 17, 13)).astype("i2")
SHAPE = (7, 20, 31)
"""Of results: z, y, x."""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def resampled_affine(matrix, in_shape, out_shape, align_corners=False):
    """Of voxels x, y, z: half-pixel centres, or corners' centres where they were."""
    steps = np.eye(4)
    for k, (n, m) in enumerate(zip(in_shape, out_shape, strict=True)):
        steps[k, k] = (n - 1) / (m - 1) if align_corners else n / m
        steps[k, 3] = 0 if align_corners else (steps[k, k] - 1) / 2
    return matrix @ steps


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("name", AFFINES)
@pytest.mark.parametrize("mode", ["nearest", "area", "cubic"])
def test_a_volume_keeps_its_place_its_samples_and_its_header(tmp_path, name, suffix, mode):
    there = write(tmp_path / f"in{suffix}", DATA, AFFINES[name], descrip=b"a scan", cal_max=99)
    result = vrdask.resample_zarr(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}", SHAPE, mode=mode)
    made = nibabel.load(tmp_path / f"out{suffix}")
    samples = vrdask.resample(DATA.T.copy(), SHAPE, mode)
    assert_array_equal(np.asarray(made.dataobj), samples.T, strict=True)
    assert_array_equal(result[...], samples, strict=True)
    assert_array_equal(result[2:5, ::3, 7], samples[2:5, ::3, 7])
    target = resampled_affine(there.affine, DATA.shape, SHAPE[::-1])
    assert_allclose(made.affine, target, rtol=1e-6, atol=1e-5)
    assert_allclose(made.header.get_zooms(), np.linalg.norm(target[:3, :3], axis=0), rtol=1e-6)
    assert made.header.get_xyzt_units() == ("mm", "sec")
    assert made.header["descrip"] == b"a scan"
    assert made.header["cal_max"] == 99
    assert int(made.header["sform_code"]) == int(there.header["sform_code"]) == 2
    if name == "sheared":
        assert int(made.header["qform_code"]) == 0
    else:
        assert_allclose(made.get_qform(coded=True)[0], made.affine, atol=1e-4)
    assert names(tmp_path) == [f"in{suffix}", f"out{suffix}"]


@pytest.mark.parametrize("name", AFFINES)
@pytest.mark.parametrize("target", ["out.nii", "out.nii.gz", "out.zarr"])
@pytest.mark.parametrize(
    ("shape", "align_corners"), [((7, 20, 31), False), ((7, 20, 31), True), ((13, 5, 3), False), ((7, 19, 31), False)]
)
def test_a_ramp_of_the_world_is_the_place_that_the_target_gives(tmp_path, name, target, shape, align_corners):
    write(tmp_path / "in.nii", ramp_of(AFFINES[name], DATA.shape), AFFINES[name])
    vrdask.resample_zarr(tmp_path / "in.nii", tmp_path / target, shape, align_corners=align_corners)
    there = open_source(tmp_path / target)
    samples = there.array[tuple(slice(0, n) for n in there.array.shape)]
    found = np.vstack([np.array(there.image.affine)[:, [2, 1, 0, 3]], [0, 0, 0, 1]])
    positions = world_of(found, samples.T.shape)
    # where it grows, samples beyond the outermost centres hold the last value
    margins = [0 if align_corners else -(-m // (2 * n)) for n, m in zip(DATA.shape, samples.T.shape, strict=True)]
    inner = tuple(slice(margin, n - margin) for margin, n in zip(margins, samples.T.shape, strict=True))
    assert samples.T[inner].size
    assert_allclose(samples.T[inner], (positions @ [1.0, 100.0, 10_000.0])[inner], rtol=1e-6, atol=0.5)
    half = nibabel.affines.rescale_affine(
        AFFINES[name], DATA.shape, np.linalg.norm(AFFINES[name][:3, :3], axis=0) * DATA.shape / shape[::-1], shape[::-1]
    )
    if not align_corners and name != "sheared" and all(n % 2 for n in shape):  # nibabel keeps the middle voxel in place
        assert_allclose(half[:3], found[:3], rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("dtype", TYPES)
def test_samples_keep_their_type(tmp_path, dtype):
    data = (DATA / (1 if np.dtype(dtype).kind in "iu" else 7)).astype(dtype)
    if np.dtype(dtype).kind == "c":
        data = data * (1 + 2j)
    zarr.create_array(tmp_path / "in.zarr", data=np.ascontiguousarray(data.T), chunks=(8, 8, 8))
    vrdask.resample_zarr(tmp_path / "in.zarr", tmp_path / "out.nii", (13, 17, 21), mode="nearest")
    made = nibabel.load(tmp_path / "out.nii")
    assert_array_equal(np.asarray(made.dataobj), data, strict=True)


@pytest.mark.parametrize(("dtype", "way"), [("float16", "float32"), ("bool", "uint8")])
def test_types_that_nifti_lacks_are_refused_with_a_way_out(tmp_path, dtype, way):
    zarr.create_array(tmp_path / "in.zarr", data=np.zeros((4, 5, 6), dtype))
    with pytest.raises(ValueError, match=f"a NIfTI target must hold one of .*; got {dtype} .* ask for dtype {way}"):
        vrdask.resample_zarr(tmp_path / "in.zarr", tmp_path / "out.nii", 3, mode="nearest")
    assert names(tmp_path) == ["in.zarr"]


def test_a_slope_becomes_numbers(tmp_path):
    image = nibabel.Nifti1Image(DATA, AFFINES["RAS"])
    image.header.set_slope_inter(0.25, 10)
    nibabel.save(image, tmp_path / "in.nii")
    vrdask.resample_zarr(tmp_path / "in.nii", tmp_path / "out.nii", (13, 17, 21), dtype="float32")
    made = nibabel.load(tmp_path / "out.nii")
    assert made.get_data_dtype() == np.float32
    assert made.dataobj.slope == 1
    assert_array_equal(np.asarray(made.dataobj), np.asarray(nibabel.load(tmp_path / "in.nii").dataobj, "f4"))


@pytest.mark.parametrize(
    ("shape", "out"),
    [((5,), (3,)), ((5, 6), (9, 4)), ((5, 6, 1), (1, 9, 4)), ((5, 6, 7, 3), (3, 7, 9, 4)),
     ((5, 6, 7, 1, 3), (3, 7, 9, 4)), ((5, 6, 7, 2, 3), (2, 3, 7, 9, 4)), ((5, 6, 1, 4), (4, 1, 9, 4))],
)  # fmt: skip
@pytest.mark.parametrize("name", ["LAS", "oblique"])
def test_every_number_of_dimensions_comes_back(tmp_path, shape, out, name):
    data = np.random.default_rng(0).integers(0, 99, shape).astype("u2")
    there = write(tmp_path / "in.nii", data, AFFINES[name], toffset=3, pixdim=[1, 0.8, 1.1, 3, 2.5, 1, 1, 1])
    read = open_source(tmp_path / "in.nii")
    axes = tuple(range(len(out)))
    vrdask.resample_zarr(tmp_path / "in.nii", tmp_path / "mid.zarr", out, axes=axes, mode="nearest")
    vrdask.resample_zarr(tmp_path / "mid.zarr", tmp_path / "out.nii.gz", read.array.shape, axes=axes, mode="nearest")
    again, made = open_source(tmp_path / "out.nii.gz"), nibabel.load(tmp_path / "out.nii.gz")
    assert again.array.shape == read.array.shape
    assert made.shape == shape
    assert_allclose(made.affine, there.affine, atol=1e-5)
    assert_allclose(made.header["pixdim"][1:4], there.header["pixdim"][1:4], rtol=1e-6)
    if "t" in read.image.axis_names:
        assert (made.header["pixdim"][4], made.header["toffset"]) == (2.5, 3)
    assert again.image.axis_names == read.image.axis_names


@pytest.mark.parametrize("order", ["xyz", "zyx", "yzx"])
def test_axes_in_another_order_are_turned_into_the_files(tmp_path, order, monkeypatch):
    monkeypatch.setattr(streamed, "SLAB_BYTES", 1000)
    ramp = ramp_of(AFFINES["oblique"], DATA.shape)
    write(tmp_path / "in.nii", ramp, AFFINES["oblique"])
    turn = np.eye(3)[["zyx".index(name) for name in order]].T
    affine_zarr(
        tmp_path / "in.nii", tmp_path / "turned.zarr", turn, 0, tuple(DATA.shape["xyz".index(n)] for n in order)
    )
    turned = open_source(tmp_path / "turned.zarr")
    assert turned.array.shape == tuple(DATA.shape["xyz".index(name)] for name in order)
    vrdask.resample_zarr(tmp_path / "turned.zarr", tmp_path / "out.nii", turned.array.shape, mode="nearest")
    made = nibabel.load(tmp_path / "out.nii")
    assert_allclose(np.asarray(made.dataobj), ramp_of(made.affine, made.shape), rtol=1e-6, atol=0.1)


def ome(place, data, scale, translation, unit="micrometer", names="zyx"):
    axes = [{"name": n, "type": "space", **({"unit": unit} if unit else {})} for n in names]
    group = zarr.open_group(place, mode="w")
    group.create_array("0", data=data, chunks=(8,) * data.ndim)
    steps = [{"type": "scale", "scale": scale}, {"type": "translation", "translation": translation}]
    multiscale = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": steps}]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale], "omero": {"channels": []}}


@pytest.mark.parametrize(
    ("unit", "code", "factor"),
    [("micrometer", "micron", 1), ("millimeter", "mm", 1), ("nanometer", "mm", 1e-6), ("centimeter", "mm", 10),
     (None, "unknown", 1)],
)  # fmt: skip
def test_an_image_without_directions_is_written_as_itk_would(tmp_path, unit, code, factor):
    sitk = pytest.importorskip("SimpleITK")
    ome(tmp_path / "in.zarr", DATA.T.copy(), [3, 0.5, 0.25], [10, -4, 7], unit)
    job = prepare(tmp_path / "in.zarr", tmp_path / "out.nii.gz", (13, 17, 21), mode="nearest")
    assert any("no directions are known" in note for note in job.notes)
    assert any("NIfTI does not hold omero" in note for note in job.notes)
    job.run()
    made = nibabel.load(tmp_path / "out.nii.gz")
    assert made.header.get_xyzt_units()[0] == code
    expected_affine = np.diag([-0.25 * factor, -0.5 * factor, 3 * factor, 1])
    expected_affine[:3, 3] = [-7 * factor, 4 * factor, 10 * factor]
    assert_allclose(made.affine, expected_affine, rtol=1e-6)
    if code in ("mm", "unknown"):
        image = sitk.ReadImage(str(tmp_path / "out.nii.gz"))
        assert_allclose(image.GetDirection(), np.eye(3).ravel(), atol=1e-6)
        assert_allclose(image.GetOrigin(), np.array([7, -4, 10]) * factor, rtol=1e-5)
        assert_allclose(image.GetSpacing(), np.array([0.25, 0.5, 3]) * factor, rtol=1e-5)
        assert_array_equal(sitk.GetArrayFromImage(image), DATA.T)


def test_sizes_alone_stay_sizes_alone(tmp_path):
    there = write(tmp_path / "in.nii", DATA, None, pixdim=[1, 0.8, 1.1, 3, 1, 1, 1, 1])
    vrdask.resample_zarr(tmp_path / "in.nii", tmp_path / "out.nii", SHAPE)
    made = nibabel.load(tmp_path / "out.nii")
    assert (int(made.header["sform_code"]), int(made.header["qform_code"])) == (0, 0)
    assert_allclose(made.affine, resampled_affine(there.affine, DATA.shape, SHAPE[::-1]), atol=1e-5)


def test_labels_and_intents_are_carried_through_zarr(tmp_path):
    for intent in (1002, 3):
        write(tmp_path / "in.nii", DATA, AFFINES["oblique"], intent_code=intent, intent_p1=5, intent_name=b"cells")
        vrdask.resample_zarr(tmp_path / "in.nii", tmp_path / "mid.zarr", SHAPE, mode="nearest", overwrite=True)
        assert open_source(tmp_path / "mid.zarr").image.affine is not None
        vrdask.resample_zarr(tmp_path / "mid.zarr", tmp_path / "out.nii", SHAPE, mode="nearest", overwrite=True)
        header = nibabel.load(tmp_path / "out.nii").header
        assert int(header["intent_code"]) == intent
        assert header["intent_p1"] == 5
        assert header["intent_name"] == b"cells"


def test_a_plain_array_gets_no_place(tmp_path, caplog):
    zarr.create_array(tmp_path / "in.zarr", data=DATA.T.copy())
    with caplog.at_level(logging.WARNING):
        vrdask.resample_zarr(tmp_path / "in.zarr", tmp_path / "out.nii", (13, 17, 21), mode="nearest")
    assert "where a spacing is not known NIfTI says 1, without a position" in caplog.text
    made = nibabel.load(tmp_path / "out.nii")
    assert (int(made.header["sform_code"]), int(made.header["qform_code"])) == (0, 0)
    assert made.header.get_zooms() == (1, 1, 1)
    assert made.header.get_xyzt_units() == ("unknown", "unknown")
    assert_array_equal(np.asarray(made.dataobj), DATA)


def test_sizes_beyond_int16_are_nifti_2(tmp_path):
    zarr.create_array(tmp_path / "in.zarr", data=np.arange(40_000, dtype="f4").reshape(1, 2, 20_000))
    vrdask.resample_zarr(tmp_path / "in.zarr", tmp_path / "out.nii", (1, 2, 40_000))
    made = nibabel.load(tmp_path / "out.nii")
    assert type(made) is nibabel.Nifti2Image
    assert made.shape == (40_000, 2, 1)
    assert_array_equal(
        np.asarray(made.dataobj).T, vrdask.resample(zarr.open_array(tmp_path / "in.zarr")[:], (1, 2, 40_000))
    )
