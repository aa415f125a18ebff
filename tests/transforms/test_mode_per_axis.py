"""A mode for each axis: what one axis after the other gives, and equal bits by chunks and at once."""

import dask.array as da
import numpy as np
import oracles
import pytest
import zarr
from numpy.testing import assert_allclose, assert_array_equal

import vrdask
from vrdask.transforms import reference
from vrdask.transforms.resampling import resampling

X = np.random.default_rng(0).random((11, 18, 14))
SHAPE = (17, 9, 25)
MIXES = [
    ("nearest", "cubic", "cubic"), ("linear", "area", "cubic"), ("cubic", "nearest", "lanczos"),
    ("box", "bicubic", "bilinear"), ("area_exact", "linear", "area"),
]  # fmt: skip


@pytest.mark.parametrize("modes", [mix for mix in MIXES if not {"lanczos", "box"} & {*mix}])
def test_values_are_those_of_each_axis_matrix(modes):
    expected = X
    for axis, mode in enumerate(modes):
        expected = oracles.along(expected, oracles.matrix(mode, X.shape[axis], SHAPE[axis]), axis)
    assert_allclose(vrdask.resample(X, SHAPE, modes), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("modes", MIXES)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_chunks_and_the_twin_give_the_same_bits(modes, dtype, tmp_path):
    x = (X * 200).astype(dtype)
    whole = vrdask.resample(x, SHAPE, modes)
    assert_array_equal(reference.resample(resampling(x.shape, SHAPE, modes, in_dtype=dtype), x), whole, strict=True)
    lazy = vrdask.resample(da.from_array(x, chunks=(4, 5, 6)), SHAPE, modes, chunks=(5, 4, 7))
    assert_array_equal(lazy.compute(), whole, strict=True)
    stored = zarr.create_array({}, data=x, chunks=(3, 7, 5), dimension_names=("z", "y", "x"))
    made = vrdask.resample_zarr(stored, tmp_path / "out.zarr", SHAPE, mode=dict(zip("xyz", modes[::-1], strict=True)))
    assert_array_equal(made[:], whole, strict=True)


def test_one_mode_is_one_mode_however_it_is_said():
    one = resampling((9, 9), (4, 5), "cubic")
    for said in (("cubic", "cubic"), ["cubic"] * 2, {0: "cubic", -1: "cubic"}):
        assert resampling((9, 9), (4, 5), said) == one
    assert resampling((9, 9), (9, 5), ("nearest", "cubic")) == resampling((9, 9), (9, 5), "cubic")


def test_labels_are_copied_where_all_axes_copy():
    labels = np.array([[2**63 + 1, 5], [7, 2**64 - 1]], np.uint64)
    assert_array_equal(
        vrdask.resample(labels, (4, 3), ("nearest", "nearest")), vrdask.resample(labels, (4, 3), "nearest")
    )


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        (("cubic",), "mode must be one name, or one per axis; got .* for 3 axes"),
        (("cubic", "linear", "order3"), "mode must be one of nearest, .*; got 'order3'"),
        ({0: "cubic", 1: "linear"}, "mode must be given for the axes"),
        ({0: "cubic", 1: "linear", 7: "area"}, "axes must lie in"),
    ],
)
def test_what_is_no_mode_for_every_axis_is_refused(mode, says):
    with pytest.raises(ValueError, match=says):
        vrdask.resample(X, SHAPE, mode)


def test_aligned_corners_are_refused_where_one_mode_has_none():
    with pytest.raises(ValueError, match="align_corners must be False with mode 'area'"):
        vrdask.resample(X, SHAPE, ("linear", "area", "linear"), True)


def test_resuming_with_other_modes_is_refused(tmp_path):
    stored = zarr.create_array({}, data=X, chunks=(3, 7, 5))
    vrdask.resample_zarr(stored, tmp_path / "out.zarr", SHAPE, mode=MIXES[0])
    with pytest.raises((ValueError, FileExistsError)):
        vrdask.resample_zarr(stored, tmp_path / "out.zarr", SHAPE, mode=MIXES[1], resume=True)


def test_the_command_takes_a_mode_by_name(tmp_path):
    from click.testing import CliRunner

    from vrdask.cli import main

    zarr.create_array(tmp_path / "in.zarr", data=X, chunks=(3, 7, 5), dimension_names=("z", "y", "x"))
    command = ["resample", str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), "--shape", "17,9,25", "--quiet"]
    result = CliRunner().invoke(main, [*command, "--mode", "z=nearest,y=cubic,x=cubic"])
    assert result.exit_code == 0, result.output
    assert_array_equal(zarr.open_array(tmp_path / "out.zarr")[:], vrdask.resample(X, SHAPE, MIXES[0]))
    refused = CliRunner().invoke(main, [*command, "--overwrite", "--mode", "z=nearest,y=cubic,x=order3"])
    assert refused.exit_code == 2
    assert "order3" in refused.output
