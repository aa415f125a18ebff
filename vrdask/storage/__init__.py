"""Stored chunks: from bytes to samples and back, in the thread that asks."""
