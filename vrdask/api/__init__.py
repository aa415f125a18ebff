"""What users call, for numpy, dask and zarr arrays."""
