from vrdask.compute._kernels.contract_baseline import BYTE_ROWS as BYTE_ROWS
from vrdask.compute._kernels.contract_baseline import LANES as LANES
from vrdask.compute._kernels.contract_baseline import Contraction as Contraction
