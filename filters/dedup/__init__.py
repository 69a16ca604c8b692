"""Near-duplicate detection on arrays: no files, no Beam.

minhash (profiles and signatures), minhash_kernels, shingle_tokens (texts to tokens) and
xxhash_kernels compute signatures; union_find makes clusters of equal hashes; survivor_rank orders
the documents of a cluster; verify_clusters compares them with the document that is kept.
"""
