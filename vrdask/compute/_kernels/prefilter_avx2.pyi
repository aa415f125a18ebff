from vrdask.compute._kernels.prefilter_baseline import SPARE as SPARE
from vrdask.compute._kernels.prefilter_baseline import prefilter as prefilter
