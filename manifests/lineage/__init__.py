"""The origin of an output: manifest.json, receipts, tables of parts, and the chain of manifests."""

from typing import Literal, get_args

StepName = Literal["license_filter", "dedup", "tokenize"]

STEPS: tuple[StepName, ...] = get_args(StepName)
"""The jobs in their order. Each has a directory of its name in the output; the directory of
`tokenize` is `tokenize-NAME`, with the name of the tokenizer."""
