from vrdask._sample_baseline import Sampler as Sampler
