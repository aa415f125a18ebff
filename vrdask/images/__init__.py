"""What is known of an image's axes. Pure.

*Places*: an image's own coordinates are scale and translation along its axes; a scanner's space is an affine beside
them, in nibabel's millimetres (`orientation`). Every change of the grid carries both (`Image.stepped`, `seen_through`).
OME-Zarr says the six directions of RFC-4 and no others, so an oblique affine stands in the attribute "vrdask" of the
array, and counts as long as scale and translation still fit it. Where no file says directions and a world has to be
written, they are ITK's: x to the left, y to the back, z to the top. Headers of NIfTI hold float32: the decimals that
were meant are read, so that samples which lie at one place do so exactly.
"""
