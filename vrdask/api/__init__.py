"""What users call, for arrays of numpy, dask, zarr, xarray and others."""
