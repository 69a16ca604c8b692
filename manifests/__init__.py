"""File formats, datasets, mixtures, and the checks of a finished output.

Folders; each imports only folders named before it:

- io: files on local disks and object stores, Parquet, and digests.
- prng: counter-based random numbers, and the decorator of compiled functions.
- console: tables, numbers and JSON for the terminal.
- shards: the writer and the readers of the shard format.
- page: self-contained HTML pages, and drawings as SVG.
- lineage: manifests, receipts, tables of parts, and the chain of manifests behind an output.
- tokenizer: tokenizer.json, its control tokens, and the published vocabularies.
- dataset: a finished dataset of shards, its components, and its forgotten documents.
- mixture: the components of a training run and their shares.
- verify: checks of an output, its repair, and the removal of stale files.
- catalog: dataset card and Croissant metadata.

Modules: config (TOML checked by pydantic), errors, schemas (Parquet columns between the jobs),
components (names of languages and sets), special_tokens (control ids), ranges (consecutive things
up to a limit of size), cores (those that a process may use) and shipped (example configs of the
package).
"""
