SHARE_OUT: object
"""A capsule: see kernels/common/share.h."""
