"""Checks of an output: manifests (verify), parts, shards, side files; and stale files (cleanup)."""
