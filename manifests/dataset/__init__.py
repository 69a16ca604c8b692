"""A dataset of shards.

dataset and component read it, writer writes it. shard_index: shards.parquet and the tables of
documents; gather: random documents; token_range: what objectives read; tombstones, tombstone_file:
forgotten documents.
"""
