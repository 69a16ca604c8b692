"""Files on local disks and object stores (files, object_store), and digests (digest)."""
