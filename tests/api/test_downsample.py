"""`downsample`, for every kind of array; `downsample_zarr`; the command."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from numpy.testing import assert_array_equal
from optional import tensorstore, xarray

import vrdask
from vrdask.cli.main import main
from vrdask.transforms.blocks import MODES

RNG = np.random.default_rng(0)
TENSORSTORE = dict(zip(MODES, ("mean", "mode", "median", "min", "max", "stride"), strict=True))
DTYPES = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64")


def samples(dtype: str, shape: tuple[int, ...], few: bool = False) -> np.ndarray:
    if dtype == "bool":
        return RNG.integers(0, 2, shape).astype(bool)
    if dtype.startswith("float"):
        return (RNG.integers(-3, 3, shape) if few else RNG.standard_normal(shape)).astype(dtype)
    limits = np.iinfo(dtype)
    return RNG.integers(0 if few else limits.min, 3 if few else limits.max, shape, dtype, endpoint=True)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_agrees_with_tensorstore(dtype, mode):
    for shape, factors in [((7, 9, 11), (2, 2, 2)), ((5, 6), (3, 4)), ((6, 5, 4), (2, 2, 1)), ((3,), (5,))]:
        x = samples(dtype, shape, few=mode == "majority")
        theirs = tensorstore.downsample(tensorstore.array(x), list(factors), method=TENSORSTORE[mode]).read().result()
        ours = vrdask.downsample(x, factors, mode)
        assert ours.dtype == theirs.dtype
        if mode == "mean" and dtype.startswith("float"):  # theirs adds in the type itself
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
        else:
            assert_array_equal(ours, theirs)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint64", "float16", "float32"])
def test_by_chunks_equals_at_once(dtype, mode, tmp_path):
    """For chunks that blocks lie across, too, of one sample, of the whole axis, irregular ones."""
    x = samples(dtype, (13, 17, 11), few=True)
    if x.dtype.kind == "f":
        x[RNG.random(x.shape) < 0.05] = np.nan
    whole = vrdask.downsample(x, (2, 3, 1), mode)
    stored = zarr.create_array(tmp_path / "x.zarr", data=x, chunks=(4, 5, 6))
    with dask.config.set(scheduler="synchronous"):
        for chunks in ((1, 17, 11), (4, 5, 6), ((2, 5, 6), (3, 14), (11,)), -1):
            for out in (None, (2, 4, 3), (1, -1, -1)):
                lazy = vrdask.downsample(da.from_array(x, chunks=chunks), (2, 3, 1), mode, chunks=out)
                assert lazy.dtype == whole.dtype
                assert_array_equal(lazy.compute(), whole)
        assert_array_equal(vrdask.downsample(stored, (2, 3, 1), mode).compute(), whole)
        assert_array_equal(vrdask.downsample(stored, (2, 3, 1), mode, chunks=(3, 2, 5), num_threads=2).compute(), whole)


def test_a_task_depends_on_its_own_blocks_alone():
    lazy = vrdask.downsample(da.zeros((8, 8), chunks=4), 2)
    assert lazy.chunks == ((2, 2), (2, 2))
    assert lazy.name == vrdask.downsample(da.zeros((8, 8), chunks=4), 2).name
    assert lazy.name.startswith("downsample-mean-")


def test_nan():
    x = np.array([[np.nan, 1, 2, np.nan, np.nan, np.nan]], np.float32)
    assert_array_equal(vrdask.downsample(x, (1, 2), "mean"), [[np.nan, np.nan, np.nan]])
    assert_array_equal(vrdask.downsample(x, (1, 2), "min"), [[1, 2, np.nan]])
    assert_array_equal(vrdask.downsample(x, (1, 2), "max"), [[1, 2, np.nan]])
    assert_array_equal(vrdask.downsample(x, (1, 3), "median"), [[2, np.nan]])
    assert_array_equal(vrdask.downsample(x, (1, 3), "majority"), [[1, np.nan]])


def test_factors_and_axes():
    x = samples("uint16", (3, 8, 10, 4))
    expected = vrdask.downsample(x, (1, 2, 2, 1))
    assert_array_equal(vrdask.downsample(x, 2, axes=(1, 2)), expected)
    assert_array_equal(vrdask.downsample(x, (2, 2, 1)), expected)
    assert_array_equal(vrdask.downsample(x, {-3: 2, 2: 2}), expected)
    assert vrdask.downsample(x, 2).shape == (2, 4, 5, 2)
    assert vrdask.downsample(x, 100).shape == (1, 1, 1, 1)
    assert_array_equal(vrdask.downsample(x, 1), x)


def test_labelled_arrays_get_the_places_of_their_new_samples():
    coords = {"y": 10 + 0.5 * np.arange(5), "x": 2.0 * np.arange(6)}
    x = xarray.DataArray(samples("uint8", (3, 5, 6)), coords, ("c", "y", "x"), attrs={"a": 1})
    found = vrdask.downsample(x, {"y": 2, "x": 3}, "majority")
    assert_array_equal(found, vrdask.downsample(x.values, (1, 2, 3), "majority"))
    assert_array_equal(found.y, [10.25, 11.25, 12.25])
    assert_array_equal(found.x, [2.0, 8.0])
    assert found.attrs == {"a": 1}
    assert_array_equal(vrdask.downsample(x, {"x": 3}, "stride").x, [0.0, 6.0])
    assert vrdask.downsample(x, 2).shape == (3, 3, 3)  # channels are no axis of space
    assert x.vrdask.downsample(2).equals(vrdask.downsample(x, 2))


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        ((np.zeros((4, 4)), 0), {}, ValueError, "factors must be at least 1; got 0"),
        ((np.zeros((4, 4)), -2), {}, ValueError, "factors must be at least 1; got -2"),
        ((np.zeros((4, 4)), 1.5), {}, TypeError, "factors must hold whole numbers; got 1.5"),
        ((np.zeros((4, 4)), True), {}, TypeError, "factors must hold whole numbers; got True"),
        ((np.zeros((4, 4)), ()), {}, ValueError, "factors must give at least one"),
        ((np.zeros((4, 4)), (1, 2, 3)), {}, ValueError, "factors must give at most 2"),
        ((np.zeros((4, 4)), (2, 2)), {"axes": 0}, ValueError, "factors must give .* per axis; got 2"),
        ((np.zeros((4, 4)), 2), {"axes": (0, 0)}, ValueError, "axes must not repeat"),
        ((np.zeros((4, 4)), {5: 2}), {}, ValueError, "axes must lie in"),
        ((np.zeros((4, 4)), {0: 2}), {"axes": 0}, ValueError, "axes must be left out"),
        ((np.zeros((0, 4)), 2), {}, ValueError, "axis 0 must have at least one sample"),
        ((np.zeros((4, 4)), 2, "mode"), {}, ValueError, "mode must be one of mean, majority"),
        ((np.zeros((4, 4)), 2, "mean"), {"sparse": True}, ValueError, "sparse must be False with mode 'mean'"),
        ((np.zeros((4, 4), complex), 2), {}, TypeError, "dtype must be one of bool, uint8"),
        ((np.zeros((4, 4), object), 2, "stride"), {}, TypeError, "must have a fixed size"),
        ((np.zeros((4, 4)), 2), {"dtype": "complex64"}, TypeError, "dtype must be one of"),
        ((np.zeros((4, 4)), 2), {"chunks": 2}, ValueError, "chunks must be None for a numpy array"),
        ((np.zeros((4, 4)), 2), {"num_threads": 0}, ValueError, "number of threads must be at least 1"),
        ((np.zeros((4, 4)), 2**31), {}, ValueError, r"factors must be below 2\^31"),
    ],
)
def test_what_is_refused(arguments, options, error, words):
    with pytest.raises(error, match=words):
        vrdask.downsample(*arguments, **options)


def ome_image(place, data: np.ndarray, **extra) -> None:
    group = zarr.create_group(place)
    group.create_array("0", data=data, chunks=tuple(min(n, 8) for n in data.shape))
    names = ("c", "z", "y", "x")[-data.ndim :]
    axes = [{"name": name, "type": "channel" if name == "c" else "space"} for name in names]
    scale = [1.0 if name == "c" else 0.5 for name in names]
    transforms = [{"type": "scale", "scale": scale}, {"type": "translation", "translation": [0.0] * data.ndim}]
    levels = [{"path": "0", "coordinateTransformations": transforms}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": levels}], **extra}


def test_zarr_to_zarr_with_the_metadata_of_its_grid(tmp_path):
    """A ramp downsampled by mean is the ramp at the places that the metadata gives."""
    ramp = np.broadcast_to(0.5 * np.arange(24.0), (2, 20, 24)).copy()
    ome_image(tmp_path / "x.zarr", ramp)
    found = vrdask.downsample_zarr(tmp_path / "x.zarr", tmp_path / "y.zarr", {"x": 3, "y": 2})
    assert_array_equal(found[:], vrdask.downsample(ramp, (1, 2, 3)))
    image = vrdask.open(tmp_path / "y.zarr").image
    assert image.scale[-2:] == (1.0, 1.5)
    assert image.translation[-2:] == (0.25, 0.5)
    assert_array_equal(found[0, 0], image.translation[-1] + image.scale[-1] * np.arange(8))
    vrdask.downsample_zarr(tmp_path / "x.zarr", tmp_path / "s.zarr", 2, "stride", axes="x")
    assert vrdask.open(tmp_path / "s.zarr").image.translation[-1] == 0.0


@pytest.mark.parametrize("mode", MODES)
def test_zarr_to_zarr_equals_at_once(mode, tmp_path):
    x = samples("uint16", (40, 50, 30), few=True)
    zarr.create_array(tmp_path / "x.zarr", data=x, chunks=(7, 11, 30))
    options = {"chunks": (4, 5, 5), "shards": (8, 10, 15), "num_threads": 2}
    found = vrdask.downsample_zarr(
        tmp_path / "x.zarr", tmp_path / "y.zarr", (2, 3, 2), mode, dtype="float32", **options
    )
    assert_array_equal(found[:], vrdask.downsample(x, (2, 3, 2), mode, dtype="float32"))


def test_axes_that_are_no_space_are_left_alone(tmp_path):
    ome_image(tmp_path / "x.zarr", samples("uint8", (3, 8, 8, 8)))
    assert vrdask.downsample_zarr(tmp_path / "x.zarr", tmp_path / "y.zarr", 2).shape == (3, 4, 4, 4)


def test_labels_are_not_mixed(tmp_path):
    labels = samples("uint32", (9, 9, 9), few=True)
    ome_image(tmp_path / "x.zarr", labels, **{"image-label": {}})
    found = vrdask.downsample_zarr(tmp_path / "x.zarr", tmp_path / "y.zarr", 2)
    assert_array_equal(found[:], vrdask.downsample(labels, 2, "majority"))
    with pytest.raises(ValueError, match="for labels, which must not be mixed"):
        vrdask.downsample_zarr(tmp_path / "x.zarr", tmp_path / "z.zarr", 2, "mean")
    assert not (tmp_path / "z.zarr").exists()
    forced = vrdask.downsample_zarr(tmp_path / "x.zarr", tmp_path / "z.zarr", 2, "mean", force=True)
    assert_array_equal(forced[:], vrdask.downsample(labels, 2))


def test_command(tmp_path):
    x = samples("uint8", (9, 10, 12), few=True)
    ome_image(tmp_path / "x.zarr", x)
    source, target = str(tmp_path / "x.zarr"), str(tmp_path / "y.zarr")
    asked = ["downsample", source, target, "--factors", "z=1,y=2,x=2", "--mode", "majority", "--sparse"]
    planned = CliRunner().invoke(main, [*asked, "--dry-run"])
    assert planned.exit_code == 0, planned.output
    assert "majority" in planned.output
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 0, done.output
    assert_array_equal(vrdask.open(target).array[:], vrdask.downsample(x, (1, 2, 2), "majority", sparse=True))
    wrong = CliRunner().invoke(main, ["downsample", source, str(tmp_path / "z"), "--factors", "0"])
    assert wrong.exit_code == 1
    assert "factors must be at least 1; got 0" in wrong.output
