"""MinHash signatures, union-find over equal hashes, and the document of a cluster that is kept."""
