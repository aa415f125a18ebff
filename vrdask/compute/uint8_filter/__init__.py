"""Filters from uint8 to uint8 in integers: passes over axes, with uint8 between them."""
