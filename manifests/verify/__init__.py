"""Checks of an output (verify, parts, shard, side_files), repair, and stale files (cleanup)."""
