from vrdask._contract_baseline import LANES as LANES
from vrdask._contract_baseline import Contraction as Contraction
