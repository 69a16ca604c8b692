"""The shard format: writer, reader, scan, block_table, and block_cache for remote shards."""
