"""Search for documents by id, prefix of an id, path, or text, in parallel over the tables."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import UsageError
from manifests.io.files import READ_THREADS
from manifests.io.parquet import read_table
from manifests.lineage.chain import Chain
from pipelines.inspect.tables import DocumentTable, decision_tables, document_tables, shard_tables

LISTED = 8
"""Maximum number of documents that an error lists if a prefix or a path fits several."""

PREFIX = re.compile("[0-9a-f]{4,32}")
"""An id, or at least four of its first digits."""

T = TypeVar("T")


def find_id(chain: Chain, query: str) -> bytes:
    """Return the one id (16 bytes) that `query` names: an id, a unique prefix, or a path.

    Raises:
        UsageError: no document fits, or several documents fit; the message lists some.
    """
    ids = _ids_by_prefix(chain, query) if PREFIX.fullmatch(query) else {}
    return only_id(chain, query, ids or ids_with_path(chain, query))


def only_id(chain: Chain, query: str, ids: Mapping[bytes, str]) -> bytes:
    """Return the one id of `ids` (id -> description) for `query`; UsageError as `find_id`."""
    if not ids:
        raise UsageError(
            f"{chain.last.directory}: holds no document {query!r}, by id or by path (rejected "
            "documents are found by their ids alone)"
        )
    if len(ids) > 1:
        some = ", ".join(f"{id.hex()} ({what})" for id, what in sorted(ids.items())[:LISTED])
        more = f" and {len(ids) - LISTED} more" if len(ids) > LISTED else ""
        raise UsageError(f"{query!r} fits {len(ids)} documents; name one by its id: {some}{more}")
    return next(iter(ids))


def ids_with_text(tables: list[DocumentTable], text: str) -> list[bytes]:
    """Return the distinct ids of the documents of documents/ that have a text, sorted."""

    def search(table: DocumentTable) -> list[bytes]:
        sizes = read_table(table.url, ["bytes"])["bytes"]
        if not pc.any(pc.equal(sizes, len(text.encode()))).as_py():
            return []
        rows = read_table(table.url, ["id", "text"])
        same = rows.filter(pc.equal(rows["text"], pa.scalar(text, pa.large_string())))
        return list(same["id"].to_pylist())

    return sorted(set(_search(search, tables)))


def ids_with_path(chain: Chain, path: str) -> dict[bytes, str]:
    """Return id -> component and repositories of the documents at a path."""

    def search(table: DocumentTable) -> list[tuple[bytes, str]]:
        rows = read_table(table.url, ["id", "component", "repositories", "path"])
        rows = rows.filter(pc.equal(rows["path"], path)).to_pylist()
        return [(row["id"], " ".join([row["component"], *row["repositories"]])) for row in rows]

    return dict(_search(search, _kept_tables(chain)))


def _ids_by_prefix(chain: Chain, prefix: str) -> dict[bytes, str]:
    """Return id -> component of the documents whose id starts with `prefix`."""
    first, last = (
        pa.scalar(bytes.fromhex(prefix.ljust(32, digit)), pa.binary(16)) for digit in "0f"
    )

    def search(table: DocumentTable) -> list[tuple[bytes, str]]:
        rows = read_table(table.url, ["id", "component"])
        fits = pc.and_(pc.greater_equal(rows["id"], first), pc.less_equal(rows["id"], last))
        return [(row["id"], row["component"]) for row in rows.filter(fits).to_pylist()]

    return dict(_search(search, decision_tables(chain) or _kept_tables(chain)))


def _kept_tables(chain: Chain) -> list[DocumentTable]:
    """Return the tables of documents/, or else those beside the shards."""
    return document_tables(chain) or shard_tables(chain)


def rows_with(
    tables: list[DocumentTable], column: str, value: bytes
) -> list[tuple[DocumentTable, int]]:
    """Return (table, row number) of every row with a 16-byte value in a column, in table order."""

    def search(table: DocumentTable) -> list[tuple[DocumentTable, int]]:
        mask = pc.equal(read_table(table.url, [column])[column], pa.scalar(value, pa.binary(16)))
        return [(table, int(row)) for row in np.flatnonzero(mask.to_numpy())]

    return list(_search(search, tables))


def _search(
    search: Callable[[DocumentTable], Iterable[T]], tables: list[DocumentTable]
) -> Iterator[T]:
    """Yield the results of `search` in all tables, in the order of the tables."""
    with ThreadPoolExecutor(READ_THREADS) as pool:
        for results in pool.map(search, tables):
            yield from results
