"""What a result is: every number that decides a bit. Pure."""
