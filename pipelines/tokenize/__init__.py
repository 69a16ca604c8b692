"""The third job: documents that are kept to token shards."""
