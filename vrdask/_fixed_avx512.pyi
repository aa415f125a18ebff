from vrdask._fixed_baseline import BATCH as BATCH
from vrdask._fixed_baseline import LANES as LANES
from vrdask._fixed_baseline import LOW as LOW
from vrdask._fixed_baseline import WINDOWS as WINDOWS
from vrdask._fixed_baseline import Filter as Filter
from vrdask._fixed_baseline import PieceFilter as PieceFilter
