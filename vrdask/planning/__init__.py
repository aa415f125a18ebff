"""Which boxes a run computes, in which order, and what it holds meanwhile. Pure."""
