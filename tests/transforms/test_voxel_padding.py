"""The padding mode "voxel": an image ends where its outer voxels do, as in ITK."""

import numpy as np
import pytest

import vrdask

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(9, 11), (7, 8, 9)])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_values_are_those_of_itk(shape, mode):
    sitk = pytest.importorskip("SimpleITK", reason="SimpleITK is not here")
    x = RNG.random(shape)
    n = len(shape)
    matrix = np.eye(n) + RNG.uniform(-0.2, 0.2, (n, n))
    offset = RNG.uniform(-2, 2, n)
    image = sitk.GetImageFromArray(x)
    transform = sitk.AffineTransform(matrix[::-1, ::-1].reshape(-1).tolist(), offset[::-1].tolist())
    kind = {"nearest": sitk.sitkNearestNeighbor, "linear": sitk.sitkLinear}[mode]
    expected = sitk.GetArrayFromImage(sitk.Resample(image, image, transform, kind, -7.0))
    got = vrdask.affine_transform(x, matrix, offset, mode=mode, padding_mode="voxel", fill_value=-7)
    assert 0.05 < (expected == -7).mean() < 0.9
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_the_last_samples_go_on_for_half_a_sample(mode):
    x = np.array([3.0, 5.0, 4.0])
    at = [-0.75, -0.5, -0.25, 0.0, 2.0, 2.25, 2.5, 2.75]
    got = [vrdask.affine_transform(x, [[0.5]], [p], 1, mode, padding_mode="voxel", fill_value=9)[0] for p in at]
    np.testing.assert_allclose(got, [9, 3, 3, 3, 4, 4, 4, 9], rtol=1e-14)


def test_growing_a_grid_by_whole_factors_leaves_no_border():
    # whoever maps voxel edges onto voxel edges gets positions between -1/2 and n - 1/2
    x = RNG.random((6, 5))
    grown = vrdask.affine_transform(x, [0.5, 0.5], -0.25, (12, 10), padding_mode="voxel", fill_value=np.nan)
    np.testing.assert_allclose(grown, vrdask.resample(x, (12, 10), "linear"), atol=1e-15)


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_a_grid_is_within_up_to_its_edges(mode):
    x = RNG.random((1, 2, 6, 7))
    y, x_ = (np.linspace(-1.2, 1.2, k) for k in (13, 15))
    grid = np.stack(np.broadcast_arrays(x_, y[:, None]), axis=-1)[None]
    got = vrdask.grid_sample(x, grid, mode, "voxel", -3)
    inside = (abs(grid) <= 1).all(axis=-1)
    border = vrdask.grid_sample(x, grid, mode, "border")
    assert (got[:, :, ~inside[0]] == -3).all()
    np.testing.assert_allclose(got[:, :, inside[0]], border[:, :, inside[0]], atol=1e-12 if mode != "cubic" else 0.2)
