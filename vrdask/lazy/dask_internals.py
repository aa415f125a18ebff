"""What is asked of dask beyond its public interface, in one place: tasks of a graph, and arrays made from a graph with
dask's query planning off or on. Each has a test of its own that fails when a new version of dask moves it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dask.array as da
import numpy as np
from dask._task_spec import DataNode, List, Task, TaskRef
from dask.highlevelgraph import HighLevelGraph

__all__ = ["DataNode", "List", "Task", "TaskRef", "array_of"]


def array_of(
    graph: Mapping[Any, Any], name: str, chunks: Sequence[Sequence[int]], dtype: np.dtype[Any], parents: Sequence[Any]
) -> Any:
    """The dask array whose blocks are the tasks ``(name, *index)`` of a graph. parents : arrays that tasks refer to."""
    meta = np.empty((0,) * len(chunks), dtype)
    if not getattr(da, "ARRAY_EXPR_ENABLED", False):
        return da.Array(HighLevelGraph.from_collections(name, graph, parents), name, chunks, meta=meta)
    from dask.array._array_expr._collection import from_graph

    layer = dict(graph)
    for parent in parents:
        layer |= dict(parent.__dask_graph__())
    keys = [(name, *index) for index in np.ndindex(*map(len, chunks))]
    return from_graph(layer, meta, chunks, keys, name)
