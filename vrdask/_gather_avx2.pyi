from vrdask._gather_baseline import gather as gather
