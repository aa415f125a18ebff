"""The compiled kernels: a module per kernel and instruction set, of which `builds` picks, and `shared`, which Cython's
memoryviews are in.
"""
