"""What the data is: file formats, datasets, mixtures, and the checks of a finished output.

Rooms, each importing only rooms named before it:

- io: files on local disks and object stores, and digests.
- prng: counter-based random numbers, and the decorator of compiled functions.
- console: tables, numbers and JSON for the terminal.
- shards: the shard format, its writer and its readers.
- lineage: manifests, receipts, and the chain of manifests behind an output.
- tokenizer: tokenizer.json, its control tokens, and the published vocabularies.
- dataset: a finished dataset of shards, and which of its documents are forgotten.
- mixture: which components are trained on, and in which shares.
- verify: checksums, sizes and counts of an output, and the removal of stale files.
- catalog: dataset card and Croissant metadata.

Beside the rooms: config (TOML checked by pydantic), errors, schemas (Parquet columns between the
jobs), components (names of languages and sets) and special_tokens (control ids).
"""
