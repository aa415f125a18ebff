from vrdask.compute._kernels.reduce_baseline import reduce as reduce
