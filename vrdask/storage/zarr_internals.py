"""What is asked of zarr-python beyond its public interface, in one place: each function stands for one private name, or
for one that has been renamed, and has a test of its own that fails when a new version of zarr moves it.

From zarr 3.1.3 on; imported by whoever asks first, since that takes longer than much that is done without it. What the
format says of an array is read from its metadata as JSON, whose names are the specification's, and never from the
attributes of zarr's codec objects.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from vrdask.storage.kinds import is_memory_store, is_store

if TYPE_CHECKING:
    import zarr
    from zarr.abc.store import Store
    from zarr.core.buffer import Buffer
    from zarr.storage import StorePath

Result = TypeVar("Result")
Json = dict[str, Any]

_OWN_PIPELINE = "zarr.core.codec_pipeline.BatchedCodecPipeline"
_OWN_PIPELINES = frozenset({_OWN_PIPELINE, "zarr.core.codec_pipeline.FusedCodecPipeline"})


def sync(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """The result of a coroutine, which runs on zarr's event loop."""
    from zarr.core.sync import sync as wait_for

    return wait_for(coroutine)


def place(given: Any, mode: str | None, options: Json | None = None) -> StorePath:
    """A place in a store, opened from whatever `zarr.open` takes. options : of fsspec, for a URL."""
    from zarr.storage._common import make_store_path

    made: StorePath = sync(make_store_path(given, mode=mode, storage_options=options))  # type: ignore[arg-type]
    return made


def buffer(value: Any) -> Buffer:
    """Bytes as zarr's stores take them."""
    from zarr.core.buffer import Buffer, default_buffer_prototype

    return value if isinstance(value, Buffer) else default_buffer_prototype().buffer.from_bytes(value)


def between(start: int, stop: int) -> Any:
    """The request for bytes ``[start, stop)`` of an object."""
    from zarr.abc.store import RangeByteRequest

    return RangeByteRequest(start, stop)


def last(count: int) -> Any:
    """The request for the last bytes of an object."""
    from zarr.abc.store import SuffixByteRequest

    return SuffixByteRequest(count)


def asked(request: Any) -> int | None:
    """How many bytes a request asks for; None for all, or all from somewhere on."""
    from zarr.abc.store import RangeByteRequest, SuffixByteRequest

    if isinstance(request, SuffixByteRequest):
        return int(request.suffix)
    return int(request.end - request.start) if isinstance(request, RangeByteRequest) else None


async def get(at: StorePath, part: Any = None) -> Any:
    """The bytes of an object, or what a request asks for of them, as a buffer; None where there is none."""
    from zarr.core.buffer import default_buffer_prototype

    found = await at.get(default_buffer_prototype(), byte_range=part)
    return None if found is None else found.as_buffer_like()


def answers_at_once(store: Store) -> bool:
    """Whether a store can be asked in this thread, rather than on zarr's event loop."""
    from zarr.storage import LocalStore

    return type(store) is LocalStore and hasattr(store, "get_sync") and hasattr(store, "set_sync")


def get_at_once(at: StorePath, part: Any = None) -> Any:
    """As `get`, in this thread, of a store that answers at once."""
    from zarr.core.buffer import default_buffer_prototype

    found = at.store.get_sync(at.path, prototype=default_buffer_prototype(), byte_range=part)  # type: ignore[attr-defined]
    return None if found is None else found.as_buffer_like()


def set_at_once(at: StorePath, value: Any) -> None:
    """Write an object, in this thread, of a store that answers at once."""
    at.store.set_sync(at.path, buffer(value))  # type: ignore[attr-defined]


def metadata_objects(metadata: Any) -> dict[str, bytes]:
    """The objects that hold the metadata of an array or a group, by key."""
    from zarr.core.buffer import default_buffer_prototype

    stored = metadata.to_buffer_dict(default_buffer_prototype())
    return {key: value.to_bytes() for key, value in stored.items()}


def described(node: Any) -> dict[str, Json]:
    """The metadata of an array or a group as JSON: the objects that hold it, by key."""
    return {key: json.loads(value) for key, value in metadata_objects(node.metadata).items()}


def array_document(array: zarr.Array[Any]) -> Json:
    """What the specification says of an array: its `zarr.json`, or its `.zarray`."""
    objects = described(array)
    return objects["zarr.json"] if "zarr.json" in objects else objects[".zarray"]


def chunk_keys(array: zarr.Array[Any]) -> Callable[[Sequence[int]], str]:
    """What gives the key, below the array, of the object that holds a chunk, or a shard, from its number along each
    axis.
    """
    key: Callable[[Any], str] = array.metadata.encode_chunk_key
    return key


def keeps_empty_chunks(array: zarr.Array[Any]) -> bool:
    """Whether chunks that hold the fill value alone are stored."""
    config = getattr(array, "config", None) or array._async_array._config  # the latter in the first of 3.1
    return bool(config.write_empty_chunks)


def has_own_pipeline() -> bool:
    """Whether zarr decodes by itself: the user has chosen no other codec pipeline."""
    import zarr

    return zarr.config.get("codec_pipeline.path", _OWN_PIPELINE) in _OWN_PIPELINES


def memory_of(store: Any) -> Any:
    """The dict that a store in memory keeps its objects in, which several stores may share; None for other stores."""
    found = getattr(store, "_store_dict", None)
    return found if is_memory_store(store) else None


def unwrapped(store: Any) -> Any:
    """The store inside of those that only watch or change how it is asked, such as zarr's LoggingStore."""
    while is_store(inner := getattr(store, "_store", None)):
        store = inner
    return store


def array_in(array: zarr.Array[Any], at: StorePath) -> zarr.Array[Any]:
    """An array, asked for by way of another store that leads to it."""
    import zarr

    inner = array._async_array
    config = getattr(inner, "config", None) or inner._config  # the latter in the first of 3.1
    return zarr.Array(zarr.AsyncArray(metadata=inner.metadata, store_path=at, config=config))


def array_at(metadata: Any, at: StorePath) -> zarr.Array[Any]:
    """An array of which nothing has been stored yet."""
    import zarr

    return zarr.Array(zarr.AsyncArray(metadata=metadata, store_path=at))


@contextmanager
def codec_threads(count: int) -> Iterator[None]:
    """While it lasts, zarr starts so many threads that decode and encode, where it starts them then: by itself it takes
    four more than there are cores. Whoever needs zarr has imported it by then; for others nothing is done.
    """
    if "zarr" not in sys.modules:
        yield
        return
    import zarr

    with zarr.config.set({"threading.max_workers": count}):
        yield
