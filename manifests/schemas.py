"""The columns of the Parquet files that one job writes and another one reads."""

from typing import TypedDict

import pyarrow as pa

FORMAT = 1
"""Version of all file formats; part of every step's digest."""

PLAN_FILE = "plan.parquet"
"""The plan of license_filter, in the output directory: rows of the schema PLAN."""

PLAN = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("input", pa.string(), nullable=False),  # relative to the source's root
        pa.field("url", pa.string(), nullable=False),
        pa.field("start", pa.int64(), nullable=False),  # first row group; 0 for a jsonl
        pa.field("stop", pa.int64()),  # null: to the end, in as many parts as it takes
        pa.field("bytes", pa.int64(), nullable=False),  # on disk
        pa.field("version", pa.string(), nullable=False),  # etag or mtime
        pa.field("step", pa.string(), nullable=False),  # the license_filter digest of its source
        pa.field("part", pa.string(), nullable=False),  # the name of its (first) part
        pa.field("error", pa.string()),  # why it is not read; null when it is
        pa.field("refused", pa.bool_(), nullable=False),  # for its name, which is no fault
    ]
)


class PlanRow(TypedDict):
    """A row of plan.parquet; PLAN describes its columns."""

    source: str
    input: str
    url: str
    start: int
    stop: int | None
    bytes: int
    version: str
    step: str
    part: str
    error: str | None
    refused: bool


DOCUMENTS = pa.schema(
    [
        pa.field("id", pa.binary(16), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("component", pa.string(), nullable=False),
        pa.field("repositories", pa.list_(pa.string()), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("license", pa.string()),  # SPDX expression
        pa.field("license_layer", pa.string(), nullable=False),  # header | repository | source
        pa.field("stars", pa.int64()),  # null when unknown
        pa.field("bytes", pa.int64(), nullable=False),  # of the text, as UTF-8
        pa.field("heldout", pa.bool_(), nullable=False),
        pa.field("text", pa.large_string(), nullable=False),
    ]
)

DUPLICATES = pa.schema(
    [
        pa.field("row", pa.uint32(), nullable=False),
        pa.field("id", pa.binary(16), nullable=False),
        pa.field("kept_part", pa.uint32(), nullable=False),
        pa.field("kept_row", pa.uint32(), nullable=False),
        pa.field("kept_id", pa.binary(16), nullable=False),
        pa.field("cluster_size", pa.uint32(), nullable=False),
        pa.field("similarity", pa.float32(), nullable=False),
        pa.field(
            "rule", pa.string(), nullable=False
        ),  # exact | normalized | minhash | previous_corpus
    ]
)

PARTS = pa.schema(
    [
        pa.field("part", pa.uint32(), nullable=False),  # upper 32 bits of a part address
        pa.field("name", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("input", pa.string(), nullable=False),
        pa.field("components", pa.list_(pa.string()), nullable=False),
        pa.field("documents", pa.int64(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),  # of documents/NAME.parquet
    ]
)

DEDUP_PARTS = pa.schema(
    [
        pa.field("part", pa.uint32(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("documents", pa.int64(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),  # of documents/NAME.parquet
        pa.field("signature", pa.string(), nullable=False),  # name of a file of signatures/
    ]
)

PREVIOUS_PARTS = pa.schema(
    [
        pa.field("part", pa.uint32(), nullable=False),  # after the last of this corpus
        pa.field("name", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("documents", pa.int64(), nullable=False),
        pa.field("signature", pa.string(), nullable=False),
        pa.field("corpus", pa.uint32(), nullable=False),  # index in `[dedup] previous_corpora`
    ]
)

SHARDS = pa.schema(
    [
        pa.field("shard", pa.string(), nullable=False),  # path relative to the dataset
        pa.field("component", pa.string(), nullable=False),
        pa.field("heldout", pa.bool_(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("blocks", pa.int64(), nullable=False),
        pa.field("documents", pa.int64(), nullable=False),
        pa.field("tokens", pa.int64(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),  # of the .tar
        pa.field("table_sha256", pa.string(), nullable=False),  # of the .parquet beside it
    ]
)

SHARD_DOCUMENTS = pa.schema(
    [
        pa.field("id", pa.binary(16), nullable=False),
        pa.field("text_hash", pa.binary(16), nullable=False),  # blake2b-128 of the text
        pa.field("source", pa.string(), nullable=False),
        pa.field("component", pa.string(), nullable=False),
        pa.field("repositories", pa.list_(pa.string()), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("license", pa.string()),
        pa.field("block", pa.uint32(), nullable=False),  # in the shard, where it starts
        pa.field("start", pa.uint32(), nullable=False),  # token in that block
        pa.field("tokens", pa.uint64(), nullable=False),
    ]
)


def decisions(scores: list[str]) -> pa.Schema:
    """Return the columns of decisions/, which has one row for every row of the input."""
    evidence = pa.struct(
        [
            pa.field("license", pa.string()),  # SPDX expression
            pa.field("layer", pa.string()),  # header | repository | source
            pa.field("policy", pa.string()),  # NAME@DIGEST
            pa.field("detail", pa.string()),  # what matched
        ]
    )
    return pa.schema(
        [
            pa.field("input_row", pa.int64(), nullable=False),  # in the input file, from 0
            pa.field("id", pa.binary(16), nullable=False),
            pa.field("component", pa.string(), nullable=False),
            pa.field("bytes", pa.int64(), nullable=False),
            pa.field("kept", pa.bool_(), nullable=False),
            pa.field("rule", pa.string()),  # why it was rejected; null when kept
            pa.field("evidence", evidence),
            *[pa.field(score, pa.float64()) for score in scores],
        ]
    )
