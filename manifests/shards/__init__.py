"""The shard format: writer, reader, the block table, and a cache of blocks of remote shards."""
