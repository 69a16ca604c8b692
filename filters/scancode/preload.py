"""Loads ScanCode's index when it is imported, before processes that detect are forked."""

import gc

from filters.scancode.detector import load_index

load_index()
gc.freeze()  # A collection would write to the index's memory, which forked processes share.
