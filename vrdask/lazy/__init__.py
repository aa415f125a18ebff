"""Dask arrays: one task per output chunk."""
