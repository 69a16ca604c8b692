"""Changes of a finished dataset: forget documents, compact shards, materialize a mixture."""
