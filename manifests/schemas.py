"""The columns of the Parquet files that one job writes and another one reads."""

from typing import Annotated, Any, TypedDict, get_type_hints

import pyarrow as pa

FORMAT = 1
"""Version of all file formats; part of every step's digest."""

PLAN_FILE = "plan.parquet"
"""The plan of license_filter, in the output directory: rows of the schema PLAN."""

UInt32 = Annotated[int, "uint32"]
"""A field of a row whose column is uint32."""

_TYPES: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    UInt32: pa.uint32(),
    bool: pa.bool_(),
    list[str]: pa.list_(pa.string()),
}
_COLUMNS = {kind: pa.field("", data_type, nullable=False) for kind, data_type in _TYPES.items()}
_COLUMNS |= {kind | None: pa.field("", data_type) for kind, data_type in _TYPES.items()}


def schema_of(row: type) -> pa.Schema:
    """Return the columns of a table whose rows are of a class; `| None` makes a column nullable."""
    kinds = get_type_hints(row, include_extras=True)
    return pa.schema([_COLUMNS[kind].with_name(name) for name, kind in kinds.items()])


class PlanRow(TypedDict):
    """A row of plan.parquet."""

    source: str
    input: str
    """Path relative to the source's root."""
    url: str
    start: int
    """First row group; 0 for a jsonl."""
    stop: int | None
    """None: to the end, in as many parts as it takes."""
    bytes: int
    """On disk."""
    version: str
    """The etag, or the time of modification."""
    step: str
    """The license_filter digest of its source."""
    part: str
    """The name of its (first) part."""
    error: str | None
    """Why the input is not read; None if it is read."""
    heldout: str | None
    """The repository (or the id of a document without one) that is held out because the share of
    [tokenize] selects none; the same in all rows."""


PLAN = schema_of(PlanRow)

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
        # Tags and texts, alternating, that stood before the text; null without a prefix.
        pa.field("prefix", pa.list_(pa.string())),
        # Bytes of the text at which the tags start that the row's columns confirm; null for none.
        pa.field("tags", pa.list_(pa.int64())),
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
        # exact | normalized | minhash | previous_corpus
        pa.field("rule", pa.string(), nullable=False),
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
