"""Dask arrays: one task per output chunk.

*Dask source*: a task depends on the blocks that its box touches; of a block it needs less than half of, it depends on
a node that cuts a part out, so that halos travel rather than blocks. The part is a slab across the block where that
is little more, so that the neighbours along the other axes share it. (Joining a chunk's blocks in one node before
cutting takes fewer nodes still, but then a view of one chunk would load all of its neighbours' blocks.) *Zarr
source*: tasks read their own regions; the graph has one task per output chunk and two shared nodes. *Zarr to Zarr*:
no graph. Tasks are numbers of a plan; a bounded number runs at a time on threads, or on the workers of the active
dask client. Inside tasks a kernel uses one thread.
"""
