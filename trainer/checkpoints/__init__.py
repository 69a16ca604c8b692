"""Checkpoints of a run: what they contain, and how they are written and read."""
