"""Checks of the files beside a shard against the shard: its index and its table of documents."""

from typing import Any

import numpy as np
import numpy.typing as npt

from manifests.dataset.shard_index import SHARD_TABLE, ShardRow
from manifests.errors import DataError
from manifests.io import files
from manifests.io.parquet import read_table
from manifests.schemas import SHARD_DOCUMENTS
from manifests.verify.parts import check_sha256
from manifests.verify.shard import Integers, ShardPlaces


def check_index(url: str, expected: bytes) -> None:
    """Check the content of a .tar.idx; DataError names the first byte that is wrong."""
    data = files.read_bytes(url)
    if data != expected:
        pairs = enumerate(zip(data, expected, strict=False))
        index = next((i for i, (a, b) in pairs if a != b), min(len(data), len(expected)))
        raise DataError(f"{url}: byte {index} is wrong: it is the index of another shard or run")


def check_documents(url: str, row: ShardRow, starts: ShardPlaces) -> None:
    """Check the table of documents beside a shard: its SHA-256, columns, and starts of documents.

    Raises:
        DataError: names the first row that is wrong.
    """
    check_sha256(url, row.table_sha256, SHARD_TABLE, "table of documents")
    table = read_table(url)
    if not table.schema.equals(SHARD_DOCUMENTS):
        raise DataError(f"{url}: its columns are not those of a table of documents")
    if table.num_rows != row.documents:
        raise DataError(f"{url}: has {table.num_rows} rows; the shard {row.documents} documents")
    for column, expected in (("block", starts.blocks), ("start", starts.starts)):
        _same(url, column, table[column].to_numpy(), expected)
    base = np.cumsum([0, *starts.lengths])
    addresses = np.append(base[starts.blocks] + starts.starts, base[-1])
    _same(url, "tokens", table["tokens"].to_numpy(), np.diff(addresses))
    others = [name for name in table["component"].unique().to_pylist() if name != row.component]
    if others:
        raise DataError(f"{url}: holds documents of {others[0]}; the shard is of {row.component}")


def _same(url: str, column: str, values: npt.NDArray[Any], expected: Integers) -> None:
    """Check a column against its expected values."""
    wrong = np.flatnonzero(values != expected)
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"{url}: row {row}: {column} is {values[row]}, in the shard it is {expected[row]}"
        )
