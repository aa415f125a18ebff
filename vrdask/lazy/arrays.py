"""What `resample`, `grid_sample` and `affine_transform` take as an array.

numpy arrays, what lies in memory as plain samples (a buffer, `__array_interface__`, torch tensors on the CPU), numbers
in lists; dask and zarr arrays, which stay lazy (and what `api.taken` makes one of these). Anything else is refused by
its own name, with the way to an array:
`numpy.asarray` would take an image's samples for a row, load a file whole or drop what the object knows of its axes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib import import_module
from numbers import Number
from typing import Any, Protocol, TypeGuard

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box
from vrdask.dtypes import DType

WAYS = {  # of types by where they are defined, and their name: how to get at an array
    ("SimpleITK", "Image"): "SimpleITK.GetArrayViewFromImage({name})",
    ("itk", ""): "itk.array_view_from_image({name})",
    ("nibabel", "ArrayProxy"): "numpy.asanyarray({name}) loads it whole",
    ("nibabel", ""): "numpy.asanyarray({name}.dataobj), or resample_zarr with the file's path",
    ("xarray", "Dataset"): '{name}["variable"], one of its variables',
    ("xarray", ""): "xarray.DataArray({name}), with names of its dimensions",
    ("zarr", "Group"): '{name}["array"], the array in it that is meant',
    ("zarr", ""): "zarr.open_array gives what is taken",
    ("h5py", ""): '{name}["dataset"], the dataset in it that is meant',
    ("tensorstore", ""): "tensorstore.open gives what is taken",
    ("pandas", ""): "{name}.to_numpy()",
    ("polars", ""): "{name}.to_numpy()",
    ("cupy", ""): "{name}.get()",
    ("dask", "Delayed"): "dask.array.from_delayed({name}, shape, dtype)",
    ("dask", "DataFrame"): "{name}.to_dask_array(lengths=True)",
    ("vrdask", ""): "{name}[0:64, 0:64] reads a part",
}


class Stored(Protocol):
    """An array of which tasks read their own regions; travels to other processes."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> DType: ...
    @property
    def stored(self) -> tuple[tuple[int, ...], ...]:
        """Sizes along each axis of what is stored as a whole."""

    @property
    def identity(self) -> Any:
        """What two arrays agree in that hold the same."""

    def read(self, box: Box) -> npt.NDArray[Any]:
        """The samples of a box; may be read-only."""


def is_dask_array(x: object) -> bool:
    dask_array = sys.modules.get("dask.array")
    return dask_array is not None and isinstance(x, dask_array.Array)


def is_stored(x: object) -> TypeGuard[Stored]:
    """Whether an array that has been taken is one in a store: neither in memory nor dask's."""
    return not isinstance(x, np.ndarray) and not is_dask_array(x)


def is_zarr_array(x: object) -> bool:
    zarr = sys.modules.get("zarr")
    return zarr is not None and isinstance(x, zarr.Array)


def is_torch_tensor(x: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def accepted(x: Any, name: str = "x") -> tuple[Any, bool]:
    """The array, and whether it is a dask or zarr array; TypeError for what is neither an array nor numbers."""
    if type(x) is np.ndarray:
        return x, False
    lazily = is_dask_array(x) or is_zarr_array(x)
    if isinstance(x._meta if lazily and hasattr(x, "_meta") else x, np.ma.MaskedArray):
        raise TypeError(
            f"{name} must not be a masked array; fill it first: {name}.filled(value), "
            f"or dask.array.ma.filled({name}, value)"
        )
    if lazily:
        return x, True
    if isinstance(x, str | bytes | os.PathLike):
        raise TypeError(
            f"{name} must be a numpy, dask or zarr array; got {x!r:.80}: zarr.open_array opens a path, "
            "and resample_zarr takes the path of any file that it reads"
        )
    if _root(x) == "torch":
        return _of_tensor(x, name), False
    if isinstance(x, list | tuple | range):
        for leaf in _leaves(x):
            plain = issubclass(leaf, Number | np.ndarray | np.generic) and not issubclass(leaf, np.ma.MaskedArray)
            if not plain and _root_of(leaf) != "torch":
                raise TypeError(f"{name} must hold numbers; got {type(x).__name__} of {_called(leaf)}")
    elif not isinstance(x, np.ndarray | Number | np.generic) and not _is_memory(x):
        raise TypeError(f"{name} must be a numpy, dask or zarr array; got {_refused(x, name)}")
    return np.asarray(x), False


def _leaves(x: Any) -> Iterator[type]:
    """The types of what nested lists and tuples hold."""
    if isinstance(x, range):
        yield int
        return
    kinds = set(map(type, x))
    yield from (kind for kind in kinds if not issubclass(kind, list | tuple | range))
    if any(issubclass(kind, list | tuple | range) for kind in kinds):
        for item in x:
            if isinstance(item, list | tuple | range):
                yield from _leaves(item)


def _of_tensor(x: Any, name: str) -> Any:
    """A torch tensor's memory as an array."""
    device = getattr(x, "device", None)
    if device is None:
        raise TypeError(f"{name} must be a numpy, dask or zarr array; got {_called(type(x))}")
    if device.type != "cpu":
        raise TypeError(f"{name} must be in the memory of the CPU; got torch.Tensor on {device}: {name}.cpu()")
    if x.requires_grad:
        raise TypeError(
            f"{name} must not require a gradient, which ends here; got a torch.Tensor that does: {name}.detach()"
        )
    try:
        if str(x.dtype) == "torch.bfloat16" and (type_of := _bfloat16()) is not None:
            torch = sys.modules["torch"]
            return x.view(torch.int16).numpy().view(type_of)
        return x.numpy()
    except (TypeError, RuntimeError) as error:  # bfloat16, sparse
        reason = str(error).splitlines()[0]
        raise TypeError(f"{name} must be a dense tensor of a type that numpy has; got {x.dtype}: {reason}") from None


def _bfloat16() -> Any:
    """numpy's type of that name, where ml_dtypes is installed."""
    try:
        return import_module("ml_dtypes").bfloat16
    except ImportError:
        return None


def _is_memory(x: Any) -> bool:
    """Whether an object says where in memory its samples lie."""
    if hasattr(type(x), "__cuda_array_interface__"):
        return False
    if hasattr(x, "__array_interface__") or hasattr(x, "__array_struct__"):
        return True
    try:
        memoryview(x).release()
    except (TypeError, BufferError):
        return False
    return True


def _refused(x: Any, name: str) -> str:
    """What an object is called, and the way from it to an array."""
    for kind in type(x).__mro__:
        root = _root_of(kind)
        way = WAYS.get((root, kind.__name__)) or WAYS.get((root, ""))
        if way is not None:
            return f"{_called(type(x))}: {way.format(name=name)}"
    if x is None:
        return "None"
    if hasattr(type(x), "toarray"):
        return f"{_called(type(x))}: {name}.toarray()"
    if hasattr(type(x), "__array__"):
        return f"{_called(type(x))}: numpy.asarray({name}) makes it one"
    if hasattr(type(x), "__getitem__") and hasattr(x, "shape") and hasattr(x, "dtype"):
        return f"{_called(type(x))}: dask.array.from_array({name}) reads it lazily"
    return f"{_called(type(x))}"


def _root(x: object) -> str:
    return _root_of(type(x))


def _root_of(kind: type) -> str:
    return kind.__module__.partition(".")[0]


def _called(kind: type) -> str:
    """A type's name as its users write it: that of the package it comes from."""
    root = _root_of(kind)
    return kind.__qualname__ if root == "builtins" else f"{root}.{kind.__qualname__}"
