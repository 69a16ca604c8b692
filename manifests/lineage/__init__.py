"""The origin of an output.

- manifest: manifest.json of a finished job; chain: the manifests behind an output.
- receipts: receipts of finished parts; counting: funnels of the rows of tables of documents.
- parts_table: parts.parquet.
"""

from typing import Literal, get_args

StepName = Literal["license_filter", "dedup", "tokenize"]

STEPS: tuple[StepName, ...] = get_args(StepName)
"""The jobs in their order. Each has a directory of its name in the output; the directory of
`tokenize` is `tokenize-NAME`, with the name of the tokenizer."""
