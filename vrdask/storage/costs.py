"""What it takes to get samples into or out of a store: numbers for plans, which know nothing of stores."""

from __future__ import annotations

from dataclasses import dataclass

WORTH_CUTTING = 0.75
"""A larger part of a chunk than this takes as long to decode as the whole."""
CODEC_FACTOR = 3
"""What reading or writing a box through zarr takes, over the box itself: stored and decoded chunks on their way."""


@dataclass(frozen=True)
class TransferCost:
    """How samples get in or out of a store.

    chunk_bytes : of a decoded stored chunk. encoded_bytes : of the encoded chunks that are on their way at a time.
    by_zarr : whether zarr decodes or encodes a box as a whole; else it is done chunk by chunk (see `chunk_codec`).
    by_format : whether the library of a file's format decodes these chunks, at its own pace.
    by_rows : whether a chunk can be decoded up to what is needed of it. shard_copies : how many times the encoded
    chunks of an unfinished shard are held; 0 where there are no shards.
    """

    chunk_bytes: int = 0
    encoded_bytes: int = 0
    by_zarr: bool = False
    by_format: bool = False
    by_rows: bool = False
    shard_copies: int = 0

    def bytes_of(self, box_bytes: int) -> int:
        """Bound on what is held for a box: its samples, and chunks on their way, stored and decoded."""
        return CODEC_FACTOR * box_bytes if self.by_zarr else box_bytes + self.chunk_bytes + self.encoded_bytes


PLAIN = TransferCost()
"""Samples as they are, from memory or a map of a file."""
