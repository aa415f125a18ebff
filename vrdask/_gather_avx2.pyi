from vrdask._gather_baseline import Gather as Gather
