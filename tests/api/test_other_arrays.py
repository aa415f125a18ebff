"""What is no array of numpy, dask or zarr: taken where it is memory, else refused by its name with the way out."""

from __future__ import annotations

import array
import importlib
import importlib.util
import re
from pathlib import Path

import dask
import numpy as np
import pytest
import zarr
from numpy.testing import assert_array_equal
from strategies import values

import vrdask


class Unread:
    """Has a form, as arrays have, and must not be asked for a sample."""

    shape, ndim, dtype, size = (8, 9), 2, np.dtype("f4"), 72

    def __getitem__(self, box):
        raise AssertionError("a sample was read")

    def __array__(self, *args, **options):
        raise AssertionError("loaded whole")

    def __len__(self):
        return 8


def stand_in(module, name, bases=(Unread,)):
    """An object that says it comes from a library, whether that is installed or not."""
    return type(name, bases, {"__module__": module})()


NO_ARRAYS = [
    (lambda: stand_in("SimpleITK.SimpleITK", "Image"), "SimpleITK.Image: SimpleITK.GetArrayViewFromImage(NAME)"),
    (lambda: stand_in("itk.itkImagePython", "itkImageF2"), "itk.itkImageF2: itk.array_view_from_image(NAME)"),
    (lambda: stand_in("nibabel.nifti1", "Nifti1Image"), "nibabel.Nifti1Image: numpy.asanyarray(NAME.dataobj)"),
    (lambda: stand_in("nibabel.arrayproxy", "ArrayProxy"), "nibabel.ArrayProxy: numpy.asanyarray(NAME)"),
    (lambda: stand_in("xarray.core.dataset", "Dataset"), 'xarray.Dataset: NAME["variable"], one of its variables'),
    (lambda: stand_in("h5py._hl.files", "File"), 'h5py.File: NAME["dataset"]'),
    (lambda: stand_in("pandas", "DataFrame"), "pandas.DataFrame: NAME.to_numpy()"),
    (lambda: stand_in("cupy", "ndarray"), "cupy.ndarray: NAME.get()"),
    (lambda: stand_in("other", "Lazy"), "other.Lazy: numpy.asarray(NAME) makes it one"),
    (lambda: zarr.group({}), 'zarr.Group: NAME["array"]'),
    (lambda: zarr.create_array({}, shape=4, dtype="u1").async_array, "zarr.AsyncArray: zarr.open_array"),
    (lambda: dask.delayed(np.ones)(3), "Delayed.*: dask.array.from_delayed(NAME, shape, dtype)"),
    (lambda: "image.zarr", "'image.zarr': zarr.open_array opens a path"),
    (lambda: Path("image.nii"), "Path('image.nii'): zarr.open_array opens a path, and resample_zarr"),
    (lambda: b"bytes", "b'bytes': "),
    (lambda: None, "None"),
    (lambda: {1: 2}, "dict"),
    (lambda: iter([1]), "list_iterator"),
    (lambda: object(), "object"),
]


@pytest.mark.parametrize("function", ["resample", "grid_sample", "grid", "affine_transform"])
@pytest.mark.parametrize(("make", "text"), NO_ARRAYS, ids=[text.partition(":")[0] for _, text in NO_ARRAYS])
def test_what_is_no_array_is_refused_by_its_name_with_the_way_out(function, make, text):
    x, image, grid = make(), np.zeros((1, 1, 4, 4)), np.zeros((1, 2, 2, 2))
    name, call = {
        "resample": ("x", lambda: vrdask.resample(x, (4, 4))),
        "affine_transform": ("x", lambda: vrdask.affine_transform(x, np.eye(2))),
        "grid_sample": ("input", lambda: vrdask.grid_sample(x, grid)),
        "grid": ("grid", lambda: vrdask.grid_sample(image, x)),
    }[function]
    words = re.escape(text.replace("NAME", name)).replace(re.escape(".*"), ".*")
    with pytest.raises(TypeError, match=f"^{name} must be a numpy, dask or zarr array; got .*{words}"):
        call()


@pytest.mark.parametrize(
    "x",
    [["a", "b"], [[1, None]], [[1.0], [stand_in("SimpleITK.SimpleITK", "Image")]], [np.ma.ones(3)], ([1], {2})],
    ids=["text", "none", "image", "masked", "set"],
)
def test_lists_must_hold_numbers(x):
    with pytest.raises(TypeError, match=r"x must hold numbers; got (list|tuple) of [\w.]+$"):
        vrdask.resample(x, 2, "nearest")


def test_objects_of_the_libraries_themselves_are_refused(tmp_path):
    x = np.ones((8, 9), np.float32)
    refused = []
    if sitk := importable("SimpleITK"):
        refused.append((sitk.GetImageFromArray(x), "SimpleITK.Image: SimpleITK.GetArrayViewFromImage(x)"))
        assert_array_equal(vrdask.resample(sitk.GetArrayViewFromImage(refused[0][0]), (4, 4)), np.ones((4, 4)))
    if nibabel := importable("nibabel"):
        nibabel.save(nibabel.Nifti1Image(x, np.eye(4)), tmp_path / "x.nii")
        image = nibabel.load(tmp_path / "x.nii")
        refused += [(image, "nibabel.Nifti1Image"), (image.dataobj, "nibabel.ArrayProxy: numpy.asanyarray(x)")]
        assert_array_equal(vrdask.resample(np.asanyarray(image.dataobj), (4, 4)), np.ones((4, 4)))
    if pandas := importable("pandas"):
        refused.append((pandas.DataFrame(x), "pandas.DataFrame: x.to_numpy()"))
    for one, text in refused:
        with pytest.raises(TypeError, match=re.escape(f"x must be a numpy, dask or zarr array; got {text}")):
            vrdask.resample(one, (4, 4))


def importable(name):
    """The module, or None where it is not installed."""
    return importlib.import_module(name) if importlib.util.find_spec(name) else None


def test_memory_of_other_kinds_is_taken():
    x = values((6, 8), "float64", 3)
    expected = vrdask.resample(x, (3, 5))
    taken = [memoryview(x), x.tolist(), list(x), tuple(map(tuple, x.tolist())), Interface(x), x.view(np.recarray)]
    for other in taken:
        assert_array_equal(vrdask.resample(other, (3, 5)), expected, strict=True)
    assert_array_equal(vrdask.resample(array.array("d", x[0]), 5), vrdask.resample(x[0], 5))
    assert_array_equal(vrdask.resample(range(8), 4), vrdask.resample(np.arange(8), 4))
    assert_array_equal(vrdask.affine_transform(memoryview(x), [0.5, 0.5]), vrdask.affine_transform(x, [0.5, 0.5]))


class Interface:
    def __init__(self, x):
        self.__array_interface__ = x.__array_interface__
        self.kept = x


def test_torch_tensors_on_the_cpu_are_taken_and_others_refused():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    x = torch.rand(1, 1, 6, 8)
    grid = torch.rand(1, 3, 3, 2)
    got = vrdask.grid_sample(x, grid)
    assert type(got) is np.ndarray
    assert_array_equal(got, vrdask.grid_sample(x.numpy(), grid.numpy()))
    assert_array_equal(vrdask.resample([x[0, 0, 0], x[0, 0, 1]], 4), vrdask.resample(x[0, 0, :2].numpy(), 4))
    for other, text in (
        (x.to("meta"), r"be in the memory of the CPU; got torch.Tensor on meta: x.cpu\(\)"),
        (x.requires_grad_(), r"not require a gradient.*: x.detach\(\)"),
        (torch.eye(3).to_sparse(), "be a dense tensor of a type that numpy has"),
        (torch.device("cpu"), "be a numpy, dask or zarr array; got torch.device"),
    ):
        with pytest.raises(TypeError, match=f"x must {text}"):
            vrdask.resample(other, 2)
