"""A dataset of shards: its reader and writer, access by token, and its forgotten documents."""
