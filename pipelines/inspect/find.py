"""Documents by id, prefix of an id, or path: searched in the tables of a chain, in parallel."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manifests.dataset.dataset import read_shard_table
from manifests.errors import UsageError
from manifests.io import files
from manifests.io.parquet import read_table
from manifests.lineage.chain import Chain
from manifests.verify.parts import duplicates_url, read_parts

THREADS = 8
"""Tables searched at once: decompressing leaves the interpreter's lock, object stores wait."""

LISTED = 8
"""Documents that are named when a prefix or a path fits several."""

PREFIX = re.compile("[0-9a-f]{4,32}")
"""An id, or enough of its beginning."""

Row = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Table:
    """A Parquet file of documents, and what is known of all its rows."""

    url: str
    about: Row


def decision_tables(chain: Chain) -> list[Table]:
    """Return the tables of decisions/: every row that came in; none without license_filter."""
    return _part_tables(chain, "decisions")


def document_tables(chain: Chain) -> list[Table]:
    """Return the tables of documents/; none where it is not here or was cleaned away."""
    return [table for table in _part_tables(chain, "documents") if files.exists(table.url)]


def duplicate_tables(chain: Chain) -> list[Table]:
    """Return the tables of duplicates/; none without dedup."""
    link = chain.link("dedup")
    if link is None:
        return []
    rows = read_parts(link.directory)
    return [Table(duplicates_url(link.directory, row["name"]), row) for row in rows]


def shard_tables(chain: Chain) -> list[Table]:
    """Return the tables beside the shards; none before tokenize."""
    link = chain.link("tokenize")
    if link is None:
        return []
    rows = read_shard_table(link.directory, link.manifest).to_pylist()
    names = [row["shard"].removesuffix(".tar") + ".parquet" for row in rows]
    urls = [files.join(link.directory, name) for name in names]
    return [
        Table(url, {**row, "number": number})
        for number, (url, row) in enumerate(zip(urls, rows, strict=True))
    ]


def find_id(chain: Chain, query: str) -> bytes:
    """Return the one id (16 bytes) that `query` names: an id, a unique prefix, or a path.

    Raises:
        UsageError: nothing fits, or several documents do; the message lists some.
    """
    ids = _ids_by_prefix(chain, query) if PREFIX.fullmatch(query) else {}
    return only_id(chain, query, ids or ids_with_path(chain, query))


def only_id(chain: Chain, query: str, ids: Mapping[bytes, str]) -> bytes:
    """Return the one id of `ids` (id -> what it is) for `query`; UsageError as `find_id`."""
    if not ids:
        raise UsageError(
            f"{chain.last.directory}: holds no document {query!r}, by id or by path (what "
            "license_filter rejected is found by its id alone)"
        )
    if len(ids) > 1:
        some = ", ".join(f"{id.hex()} ({what})" for id, what in sorted(ids.items())[:LISTED])
        more = f" and {len(ids) - LISTED} more" if len(ids) > LISTED else ""
        raise UsageError(f"{query!r} fits {len(ids)} documents; name one by its id: {some}{more}")
    return next(iter(ids))


def rows_with_id(tables: list[Table], id: bytes) -> list[tuple[Table, int]]:
    """Return (table, row number) of every row that has an id, in the order of the tables."""
    return _rows_with(tables, "id", pa.scalar(id, pa.binary(16)))


def rows_with_text_hash(tables: list[Table], text_hash: bytes) -> list[tuple[Table, int]]:
    """Return (table of a shard, row number) of every document whose text has a hash."""
    return _rows_with(tables, "text_hash", pa.scalar(text_hash, pa.binary(16)))


def ids_with_text(tables: list[Table], text: str) -> list[bytes]:
    """Return the ids of the documents of documents/ that have a text, sorted, each once."""

    def search(table: Table) -> list[bytes]:
        sized = read_table(table.url, ["bytes"])["bytes"]
        if not pc.any(pc.equal(sized, len(text.encode()))).as_py():
            return []
        found = read_table(table.url, ["id", "text"])
        same = found.filter(pc.equal(found["text"], pa.scalar(text, pa.large_string())))
        return list(same["id"].to_pylist())

    return sorted(set(_each(search, tables)))


def _rows_with(tables: list[Table], column: str, value: pa.Scalar) -> list[tuple[Table, int]]:
    def search(table: Table) -> list[tuple[Table, int]]:
        mask = pc.equal(read_table(table.url, [column])[column], value)
        return [(table, int(place)) for place in np.flatnonzero(mask.to_numpy())]

    return list(_each(search, tables))


def stored_row(table: Table, place: int) -> Row:
    """Return a row of the table beside a shard, for JSON, with the shard and its number."""
    row = take_row(table, place)
    return {
        **{name: value for name, value in row.items() if not isinstance(value, bytes)},
        "text_hash": row["text_hash"].hex(),
        "shard": table.about["shard"],
        "number": table.about["number"],
        "heldout": table.about["heldout"],
    }


def take_row(table: Table, place: int, columns: list[str] | None = None) -> Row:
    """Return one row of a table."""
    row: Row = read_table(table.url, columns).slice(place, 1).to_pylist()[0]
    return row


def _ids_by_prefix(chain: Chain, prefix: str) -> dict[bytes, str]:
    """Return id -> component of the documents whose id starts so."""

    def search(table: Table) -> list[tuple[bytes, str]]:
        found = read_table(table.url, ["id", "component"])
        mask = _starts_with(found["id"].combine_chunks(), prefix)
        return [(row["id"], row["component"]) for row in found.filter(pa.array(mask)).to_pylist()]

    return dict(_each(search, decision_tables(chain) or _stored(chain)))


def ids_with_path(chain: Chain, path: str) -> dict[bytes, str]:
    """Return id -> component and repositories of the documents at a path."""

    def search(table: Table) -> list[tuple[bytes, str]]:
        found = read_table(table.url, ["id", "component", "repositories", "path"])
        rows = found.filter(pc.equal(found["path"], path)).to_pylist()
        return [(row["id"], " ".join([row["component"], *row["repositories"]])) for row in rows]

    return dict(_each(search, _stored(chain)))


def _stored(chain: Chain) -> list[Table]:
    return document_tables(chain) or shard_tables(chain)


def _starts_with(ids: pa.Array, prefix: str) -> npt.NDArray[np.bool_]:
    """Tell which ids (binary(16) [n]) start with hexadecimal digits: bool [n]."""
    data = np.frombuffer(b"".join(ids.to_pylist()), np.uint8).reshape(-1, 16)
    whole = bytes.fromhex(prefix[: len(prefix) // 2 * 2])
    mask = (data[:, : len(whole)] == np.frombuffer(whole, np.uint8)).all(axis=1)
    if len(prefix) % 2:
        mask &= data[:, len(whole)] >> 4 == int(prefix[-1], 16)
    return np.asarray(mask, bool)


def _part_tables(chain: Chain, kind: str) -> list[Table]:
    link = chain.link("license_filter")
    if link is None:
        return []
    rows = read_parts(link.directory)
    return [Table(files.join(link.directory, kind, f"{row['name']}.parquet"), row) for row in rows]


def _each(search: Callable[[Table], Iterable[T]], tables: list[Table]) -> Iterator[T]:
    with ThreadPoolExecutor(THREADS) as pool:
        for found in pool.map(search, tables):
            yield from found
