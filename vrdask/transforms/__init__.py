"""What a result is: every number that decides a bit. Pure.

One table per axis
------------------
Every mode is separable. Along one axis, `out[i] = sum_k weights[i, k] * source[start[i] + k]` for `k < count[i]`.
Positions are integers and exact fractions: no float is ever floored, but in Pillow's filters (below). Weights are
computed in float64 and rounded once to the precision of the sums (below). Boundaries are folded in (a mirrored or
clamped tap adds its weight to the sample it lands on), so kernels have no edge branch. Rows keep their true length
and taps of weight zero are dropped, so a NaN outside the support never enters.

**Filters are Pillow's, to its rounding.** "box" jumps at the ends of its support, and for many sizes samples lie
exactly there; whether they count is decided by how Pillow rounds in float64, so tables of filters repeat its
operations. bicubic and lanczos are zero at whole numbers: where an output falls on a sample, its row would be one tap
between wider ones. It keeps the zero taps that keep `start` and `start + count` sorted, and only there may a NaN
enter as 0 * nan, as in Pillow.

**A step of its own.** From one output to the next an axis goes n_in / n_out samples, so that both grids cover the same
extent; or exactly as far as a factor or spacing says, r, whatever the size has been rounded to (`coordinates`). Then
output i lies at (i + 1/2) r - 1/2, with aligned corners at i r. "nearest" is the sample there, a tie goes up, the last
one at most; "linear" and "cubic" are clamped and mirrored as ever; windows of "area" and "area_exact" are
[i r, (i + 1) r), cut off at the end of the axis; filters have their centre at (i + 1/2) r, at the end of the axis at
most, and are cut off and normalised there. A step equal to n_in / n_out is none. Tables repeat with the fraction's
denominator, which decimals make huge; no rows are made before they are asked for, so that costs no memory.

**A window** is an axis with a step and a start of its own, a fraction of a sample perhaps: positions are a start
further on, and what lies beyond the window counts as far as the mode reaches, as in Pillow's ``resize(box=..)``. Pillow
has a box's ends and their difference in single precision; so have the tables of uint8, which are its to the bit, and no
others.

An axis that keeps its size, and has no such step, has no operator. `start` and `start + count` are sorted; what an
output interval reads is two look-ups. A table is a function of (mode, n_in, n_out, align_corners, precision, step):
plans and graphs carry these six, and each process makes the table once.

**Cubic is finite, too.** B-spline coefficients come from a recursive filter whose impulse response decays by 0.268 a
sample, so it may be cut off below the rounding of the sums. On a shrinking axis, cut off at 13 samples (float32; 28
for float64), it is a banded matrix, multiplied into the four-tap table: one table of about 30 taps for few outputs. On
a growing axis it is a stage of its own at the input's size, before four taps for many outputs, and a product of
two-tap filters (`prefilter`): 1 + zS, 1 + z²S², 1 + z⁴S⁴, 1 + z⁸S⁸ forwards and the same backwards are 16 operations
for 31 taps (in float64 63 taps, 20 operations), of second differences, so that a constant has nothing to filter.
Shrinking axes come first, so that there is less to filter. Global sizes decide. Measured, a shrinking axis would take
longer that way: all its samples would be filtered for few outputs. The alternative, a recursion anchored on a global
grid of blocks with a warm-up, costs fewer operations still, but reads block-aligned windows, and spreads a NaN over a
block.

The arrays between stages are made in slabs of a few megabytes, each from its own source box: slabs are small chunks
(`slabs`). Filters along axes that slabs are not cut along follow each other on thinner slabs, in the second-level
cache.

Positions that are no table
---------------------------
`grid_sample` and `affine_transform` have a position of its own for every output, so there is no table to slice. The
promise holds for the same reason: a position follows from global data alone (a grid's numbers, or a matrix and global
indices, never a running sum), and a value from the position, in a fixed order of operations.

**Positions** of a float32 grid are float32, with torch's formula, so that nearest neighbours are torch's; of a
float64 grid and of an affine map float64, with SciPy's order of operations. A padding mode is a rule that moves
positions or marks them as missing, applied to a block of them before anything is read; the loops that read know
nothing of it. NaN and positions far beyond the ends follow torch's CPU kernels, in which 2-D and 3-D differ, by a
flag.

**An axis that wraps** has taps at both of its ends for a position between the last sample and the first. Boxes of it
are intervals of the axis gone on with, round after round: they begin among its samples and may pass its end, and
whoever reads one puts it together of two. Within such a box every window lies side by side. A position is moved into
[0, n), which is exact but for one rounding, and its index, an integer, to where the box has it: so the box changes no
bit, and the whole array is a box a few samples longer than it is. The prefilter needs no rule for ends there, since
there are none.

**Weights** are those of one, two or four taps per axis; taps that are mirrored add their weight to the sample they
land on. The window of a position slides to stay within the box that is held. That moves weights among its samples and
leaves their order alone: the sum takes the taps of weight other than zero, ascending, along z, then y, then x. So
what is held changes no bit, a position on a sample returns that sample (NaN and infinity beside it stay out), and the
identity is the identity.

A map of whole numbers, offset included, puts every position on a sample, which each mode returns: those are copied.

A cubic position outside `[0, n - 1]` has no value with zeros or a constant, but the grid of the identity, computed in
any of the usual ways, lies up to two units in the last place beyond its ends. So a grid's position that is within
four of them is at the end. An affine map's is not moved: its definition is SciPy's, which takes positions at their
word.

A matrix with a row per axis of the array means what it means in SciPy: 4 x 4 is linear for four axes. The kernel
samples along three. Axes that a larger map leaves alone are batch axes; one that moves four or more is sampled by the
kernel's specification in numpy, piece by piece, which takes as long as SciPy.

**Cubic** weighs B-spline coefficients: the prefilter of the whole array as a resampling of its own (`SplineFilter`),
so a window of coefficients reads the box that the filter's operators say. It is mirrored as the padding mode
reflects, else about the end samples, as SciPy does.

**What a box reads.** An affine position is a sum of products, each monotone in its index under rounding, too: over a
box the extremes are at corners. A grid says nothing before it is read; the sampler itself tells which window a piece
of it weighs (`touched`). A dask graph cannot depend on what a task finds out, so where input and grid are both dask
arrays each output chunk asks every block for its share: quadratic in the number of small tasks, each block is made
once, and no task holds more than its window. The alternatives were to compute the grid while the graph is made, or to
ask the user for a bound on displacements.

Order of operations
-------------------
Shrinking axes are contracted first, first to last; then growing axes, last to first. Each step leaves the least to the
next. The order is a function of global sizes. Within one sum: the product with the first tap, then product and sum for
each further tap in turn, in float32 or float64; of long rows that of differences, which is added to a sample. Integers
are converted in loads and stores: half to even, saturating, NaN to 0. Rows of more than 48 taps are summed in float64
whatever the type: a running float32 sum would lose digits.

**A constant stays.** Rows of more than two taps are summed by parts (Abel): with weights w that add up to 1, and W[k]
the sum of those on the far side of the difference d[k] = x[k + 1] - x[k], seen from the anchor m,

    sum over k of w[k] x[k]  =  x[m] + sum over k of W[k] d[k]

with W negative before the anchor. The anchor is the tap of the largest weight, so that W fades as w does. Of a
constant all differences are zero: nothing rounds, in any number of axes. Along rows, and where outputs share their
samples, differences are made once, so that the whole costs little: there is a tap less. (Differences from the anchor
itself would be an operation more per tap: cubic halving of float32 executed 28 % more instructions with AVX2.) An
infinity gives an infinity or NaN. Two taps are weighed as they are: rounded to the precision of the sums the weights
add up to exactly 1, and products and their sum keep a constant within a unit in the last place, in three axes as in
one. A growing cubic axis's filters work on second differences for the same end.

**Means of integers are exact**: whole weights, one exact sum over the window in all axes, one division at the end,
half to even (`sums` has the proof). Float32 serves as long as it holds the sum, then float64; windows whose sizes are
powers of two need no division. What no float64 holds, 64-bit samples above all, is summed in pieces of its bits, put
together by long division.

**A copy changes nothing**: types are converted in one step. 64-bit integers have functions of their own for that,
since double does not hold them.

**No FMA.** Builds for AVX2, AVX-512 and Arm could fuse multiply and add; the x86-64 baseline cannot. Fusing would
make bits depend on the worker that computes a chunk. All builds have contraction switched off and use no fused
intrinsic, so all give equal bits, and a cluster of mixed processors keeps the promise. The price is a second
instruction per tap where arithmetic, not memory, is the limit.
"""
