"""The compiled kernels: a module per kernel and instruction set, of which `builds` picks."""
