"""Operations on one batch of documents: pure functions over Arrow arrays and numpy arrays.

Folders:

- quality: the document filters, each a score with a threshold, and their registry.
- licenses: SPDX expressions, license policies, and the licenses of the Pile's sets.
- scancode: the license that a file names in its own header, as ScanCode detects it.
- dedup: MinHash signatures, clusters of near-duplicates, and which document of a cluster is kept.

Modules: redaction and secrets (personal data), decontamination and benchmarks, opt_outs,
document_ids, and utf8 (the bytes of a column of texts).
"""
