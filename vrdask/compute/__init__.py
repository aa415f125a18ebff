"""One box, from samples to samples: what calls the kernels.

Kernels
-------
`contract` applies a stage without a full-size intermediate: axes nest from the first axis to the row. A shrinking
axis is contracted before those inside it, into one slab of scratch; a growing axis resolves each source slab of the
axes inside it once, keeps a ring of them, and contracts last. The output is cut into tiles that keep the scratch in
cache, and threads take tiles. A tile is to the cache what a chunk is to memory, computed from its own source box by
the same slices of the same tables: that tiles change no bit is the same theorem. Threads share out many small tiles,
or two each where smaller ones have more to do: a growing axis resolves again what lies between two tiles, and a
group cut in two shares less.

With many taps, neighbouring outputs share most of their source slabs. They are contracted in groups, strip by strip,
and the strips of the rows they share are first brought side by side: rows that lie a power of two apart compete for a
few cache lines. With one or two taps on two shrinking axes before the row (a volume that about halves), both are
contracted at once, in registers: the slab between them would cost more to write and read than its sums; and the rows
of outputs to come are fetched meanwhile. Rows go in pieces of a thousand outputs, several rows of which stay in the
first-level cache.

Along a row, a register of outputs forms a block, whose table serves several rows. Permutations pick samples: from one
register where a tap's samples of the block lie within it, as those of growing rows do; from two, which serve as many
taps as they hold, by patterns that move on; or two taps at a time for either half of the block, which reaches ratios
of four. Masks make the ends of a row like its middle. Otherwise samples are gathered. Trailing axes of fewer than 16
samples are channels: they share the row.

Where an axis of one or two taps shrinks before the row, tiles are a few rows high, so that what is read along a row
goes on in the next tile, and the rows of the output to come are fetched meanwhile. Of uint8, with AVX2, AVX-512 or
NEON, both axes are contracted at once: bytes are permuted to where they are needed, and no others are converted.

`sample` takes points in blocks of 128 through plain loops, a step each: positions, padding, index and fraction,
weights, offsets; then per channel it gathers and sums, so that channels share what comes before. Taps along x lie
side by side and are fetched together. An affine map's results go in boxes rather than rows, so that the samples that
neighbouring rows cross are still in cache. With AVX-512 the corners of float32 samples are gathered as pairs and
summed in registers, in the same order.

`uint8_filter` takes two axes in one call: rows are filtered along, four at a time, into a ring of uint8 rows that
stays in cache, and output rows are sums of rows of the ring. Along a row, the bytes of neighbouring taps of 16
outputs (4 outputs and a quarter of their taps each, where the ratio is large) are brought side by side by one byte
permutation, the same at every step, and multiplied in pairs; tables hold the permutation and the weights as registers
want them. Down a column, bytes of two rows are interleaved. With AVX-512 both want byte permutations and dot products
(VBMI, VNNI), which not every processor has: that is asked at import. AVX2 and NEON permute the bytes of windows that
outputs side by side share (row_windows.h). A third axis takes a further call.

`reduce` takes whole blocks: sums of rows first, side by side as they lie, then of places along a row. Exact means of
integers are one use of it; halving floats another, by "area", "linear" and whatever else takes the mean of two samples:
there the contraction's operations are done in registers, with nothing of tables, and memory is the limit. A block's
rows but the last ones are looked through before they are worked on: neighbouring rows that share a page of memory and
are read in turns come half as fast, since prefetchers follow one stream in a page.

`prefilter` brings a strip of neighbouring lines together, filters it in one sweep each way, with what samples need of
those before them in registers, and stores it: per axis one pass over memory. Lines along a row are shifted in
registers.

`gather` copies items of any size by index; every second item is the low half of a number twice as wide, which
registers narrow to. All kernels are compiled once per instruction set from the same source as separate modules;
`builds` picks at import.

Threads and memory
------------------
The kernels share a pool of threads of their own (kernels/pool/pool.h). A caller takes tiles itself until none is left
and waits for no thread that has not begun; at the barrier that ends a parallel region of OpenMP, short calls beside
busy processes took many times as long (benchmarks/bench_busy.py). There even to wake a thread may cost the caller its
core: after such a loss, small jobs are the caller's alone for a while (kernels/pool/patience.h). A thread is called
where its share of the work, by what the kernels have been measured to take, is worth it; a forked child starts its own.

By default a call made in a task of dask, a worker of a data loader or a job of joblib takes one thread (`beside`),
since there are as many of those as cores. Dask's local schedulers and joblib's threads leave no variable that says so:
dask's are told from the calls on the stack, joblib's from its active backend. OpenMP's variables count as they were at
import, as for OpenMP itself: distributed's nannies set OMP_NUM_THREADS in the very process that starts a cluster.

*Large results in memory* take over the memory of earlier ones that nobody holds any more (`buffers`): the operating
system's zeroed pages would cost more than the resampling.
"""
