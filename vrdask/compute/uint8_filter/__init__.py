"""Filters from uint8 to uint8 in integers: passes over axes, with uint8 between them.

Pillow's filters from uint8 to uint8 are computed as Pillow computes them: one axis after the other, each pass a sum
of integers that is rounded half up and cut off at 0 and 255, with uint8 between the passes. The last resampled axis
comes first (columns of an image within its rows, then rows), the first one last; but as in Pillow 13, of the last two
the rows come first where the height shrinks by more than twice what the width does. So says the shape, never a chunk.
A box between two passes reads what the later pass's table says, as ever: the reads of a chunk are the same box in
either arithmetic.

Weights are fixed point, with one precision per axis, a function of its global table (`fixed_point`). Where every
weight is below 1/4, they are 16-bit integers, at the highest precision of at most 22 bits at which the largest fits,
as in Pillow-SIMD, and rounded so that every row adds up to one. Elsewhere they are Pillow's own integers, of 22 bits.
(16 bits would do, but for weights near one: a sample between the passes that rounds the other way moves the result by
a level, and two of them by two.) So axes that grow, or shrink by up to 4 or so, have Pillow's bits, and others are
within a grey level of it.

Sums of integers are exact, so a kernel may add in any order, multiply and add at once, and use whatever instruction
is there: all builds give equal bits for that reason alone. A result of another dtype than uint8 is computed in
floating point, in one go and without cutting off in between, as is a uint8 result of another dtype. The other modes
know nothing of this.
"""
