"""Addresses in, training sequences out: numpy arrays, and torch only in the DataLoader's glue."""
