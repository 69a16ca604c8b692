"""The second job: documents/ to signatures/, clusters and duplicates/.

job runs it from CORPUS.toml, and minhash_dedup is the same job as one Beam transform. Its steps in
order: signatures, spanning_forests, clusters, rank_clusters, exact_jaccard and exact_threshold (for
verify = "exact"), removed_documents, duplicates. deduplication holds the settings that all steps
share, parts and previous_corpora the tables of parts, packed_rows the rows in shuffles,
shingle_sets the files of exact_jaccard, and loss_limit the check at the end.
"""
