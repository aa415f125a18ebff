"""Which boxes a run computes, in which order, and what it holds meanwhile. Pure.

**What a run decodes and holds** is known before it starts (`decoding`, `choose_blocks`). Blocks of whole write units
grow, along the axis that saves most decoding, for as long as all tasks fit the memory limit; what they leave keeps
samples of decoded source chunks for later tasks. The plan says which tasks share a chunk and what each needs of it
(`sharing`), so of a chunk at the end of a block only the margin that the next block needs is kept, and each piece
goes when its last reader has read it (`cache_policies`); tasks that are skipped, lag or run elsewhere cost a second
decoding, never a bit. What is kept between two layers of blocks grows with the volume's cross-section, whatever the
order: tasks in C order keep margins of a whole layer. So where that does not fit, or passes what a run keeps by
default, tasks come in columns (`task_order`), each as a volume of its own would be done; what two columns both read
is decoded twice. Halving 2048^3 cubically in two columns decodes an eighth more and keeps two thirds as much. Per
axis all that is shared is kept, or margins alone, or nothing: whatever decodes least with the memory there is. A
chunk of which the beginning is needed is decoded that far (`frames`), so between layers along the first axis margins
do: the chunks behind them, which the next layer needs whole, would take a whole layer's memory, and cost an eighth of
a decoding to begin twice. A shard that reads too much at once is computed in parts, and threads share the parts where
there are fewer shards than threads: each part is encoded at once, so that a task holds the shard's encoded chunks,
and stores them with the last one. A block whose parts each read a single stored chunk, as in halving, is computed in
these parts, too: the kernel reads what the codec wrote, and nothing is copied together; and a block for the integer
filters, which are so fast that copying is as dear, in bands that fit a cache. Where stored chunks are large, nothing
is copied together for these at all (`by_chunk`): each is filtered along its rows when it has been decoded, and its
memory is the next one's; what that leaves waits for the pass down the columns. Pieces come in C order, so the end of
each row is kept for the next piece, as far as outputs that begin here and end there weigh it. (Filtering such outputs
at the end, from seams of both, took half as long again.) Of a chunk that one task alone needs nothing is recorded:
that is most of them, and Python between two tiles, on cold caches, is what stands between resampling a slide and
decoding it.
"""
