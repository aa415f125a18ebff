from vrdask.compute._kernels.uint8_filter_baseline import BATCH as BATCH
from vrdask.compute._kernels.uint8_filter_baseline import LANES as LANES
from vrdask.compute._kernels.uint8_filter_baseline import LOW as LOW
from vrdask.compute._kernels.uint8_filter_baseline import WINDOWS as WINDOWS
from vrdask.compute._kernels.uint8_filter_baseline import Filter as Filter
from vrdask.compute._kernels.uint8_filter_baseline import PieceFilter as PieceFilter
