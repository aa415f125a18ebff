from vrdask.compute._kernels.sample_baseline import Sampler as Sampler
