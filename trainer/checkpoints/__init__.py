"""Checkpoints of a run.

checkpoint saves and loads them, state is checkpoint.json with the checksum of each file, storage
the files of the tensors. lease lets one trainer at a time write to the directory of a run.
"""
