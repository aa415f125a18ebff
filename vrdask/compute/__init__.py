"""One box, from samples to samples: what calls the kernels."""
