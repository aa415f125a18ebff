from vrdask.compute._kernels.gather_baseline import Gather as Gather
