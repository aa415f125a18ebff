from vrdask._prefilter_baseline import SPARE as SPARE
from vrdask._prefilter_baseline import prefilter as prefilter
