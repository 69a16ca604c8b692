"""Files on local disks and object stores (files, object_store, parquet), and digests (digest)."""
