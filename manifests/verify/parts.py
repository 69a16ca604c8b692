"""Checks of the files of license_filter and dedup against each other, one part at a time."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import DataError
from manifests.io import files
from manifests.io.parquet import open_parquet, read_table
from manifests.lineage.parts_table import PARTS_TABLE, DedupPart, FilteredPart, duplicates_url
from manifests.lineage.receipts import FileRecord
from manifests.schemas import DOCUMENTS, DUPLICATES

PartAddresses = npt.NDArray[np.uint64]
"""Documents as `part << 32 | row`: uint64 [n]."""


def check_sha256(url: str, sha256: str, recorded_in: str, what: str = "file") -> None:
    """Check the SHA-256 of a file; DataError if it differs or if there is no such `what`."""
    if not files.exists(url):
        raise DataError(f"{url}: the {what} is missing")
    if files.sha256(url) != sha256:
        raise DataError(f"{url}: its SHA-256 is not the one in {recorded_in}")


def check_file(directory: str, path: str, record: FileRecord) -> None:
    """Check the size and SHA-256 of a file against its record; DataError if they differ."""
    url = files.join(directory, path)
    if not files.exists(url):
        raise DataError(f"{url}: the file is missing")
    size = files.size(url)
    if size != record.bytes:
        raise DataError(f"{url}: has {size} bytes; {record.bytes} were recorded")
    if files.sha256(url) != record.sha256:
        raise DataError(f"{url}: its SHA-256 differs from the recorded one")


def check_part(directory: str, row: FilteredPart) -> None:
    """Check documents/ and decisions/ of a part: columns, counts, and that both have the same rows.

    Args:
        directory: of license_filter.
        row: the part's row of parts.parquet.

    Raises:
        DataError: names the file and the first row that is wrong.
    """
    url = files.join(directory, "documents", f"{row.name}.parquet")
    documents = read_table(url, ["id", "component", "bytes"])
    check_sha256(url, row.sha256, PARTS_TABLE)
    with open_parquet(url) as file:
        if not file.schema.equals(DOCUMENTS):
            raise DataError(f"{url}: its columns are not those of documents/")
    for field, count in (
        ("documents", documents.num_rows),
        ("bytes", pc.sum(documents["bytes"]).as_py() or 0),
    ):
        if count != getattr(row, field):
            raise DataError(f"{url}: has {count} {field}; {PARTS_TABLE} says {getattr(row, field)}")
    decided_url = files.join(directory, "decisions", f"{row.name}.parquet")
    decided = read_table(decided_url, ["id", "component", "bytes", "kept", "rule"])
    both = pc.equal(decided["kept"], pc.is_null(decided["rule"]))
    if (row_number := pc.index(both, False).as_py()) >= 0:
        raise DataError(
            f"{decided_url}: row {row_number}: a rule is for rejected rows, and only for them"
        )
    kept = decided.filter(decided["kept"]).select(documents.column_names)
    if not kept.equals(documents.cast(kept.schema)):
        raise DataError(f"{decided_url}: its kept rows are not the rows of {url}")


def read_duplicates(directory: str, parts: list[DedupPart]) -> PartAddresses:
    """Return the duplicates of all parts, ascending; another check names missing files."""
    with ThreadPoolExecutor(files.REQUESTS) as pool:
        addresses = pool.map(partial(_duplicates_of_part, directory), parts)
        return np.sort(np.concatenate([np.zeros(0, np.uint64), *addresses]))


def _duplicates_of_part(directory: str, row: DedupPart) -> PartAddresses:
    """Return the duplicates of a part; none if the file is missing."""
    url = duplicates_url(directory, row.name)
    if not files.exists(url):
        return np.zeros(0, np.uint64)
    rows: PartAddresses = read_table(url, ["row"])["row"].to_numpy().astype(np.uint64)
    return np.uint64(row.part) << np.uint64(32) | rows


def check_duplicates(
    directory: str,
    row: DedupPart,
    documents: str,
    counts: Mapping[int, int],
    removed: PartAddresses,
) -> None:
    """Check duplicates/ of a part: order of rows, ids, and that kept copies are not removed.

    Args:
        directory: of dedup.
        row: the part's row of parts.parquet.
        documents: the directory documents/; missing parts are not compared.
        counts: part -> its documents.
        removed: the duplicates of all parts, ascending.

    Raises:
        DataError: names the first row that is wrong.
    """
    url = duplicates_url(directory, row.name)
    table = read_table(url)
    if not table.schema.equals(DUPLICATES):
        raise DataError(f"{url}: its columns are not those of duplicates/")
    rows = table["row"].to_numpy().astype(np.int64)
    _first(url, np.flatnonzero(np.diff(rows) <= 0) + 1, "does not come after the row before it")
    _first(url, np.flatnonzero(rows >= row.documents), "is beyond the part's last document")
    parts, places = table["kept_part"].to_numpy(), table["kept_row"].to_numpy()
    limits = np.array([counts.get(int(part), 0) for part in parts], np.int64)
    _first(url, np.flatnonzero(places >= limits), "is a duplicate of a document that is not there")
    kept = parts.astype(np.uint64) << np.uint64(32) | places.astype(np.uint64)
    is_removed = np.searchsorted(removed, kept, "right") > np.searchsorted(removed, kept)
    lost = np.flatnonzero(is_removed)
    _first(url, lost, "is a duplicate of a document that is itself removed")
    source = files.join(documents, f"{row.name}.parquet")
    if files.exists(source):
        ids = read_table(source, ["id"])["id"].take(pa.array(rows))
        differs = pc.not_equal(ids, table["id"]).to_numpy(zero_copy_only=False)
        _first(url, np.flatnonzero(differs), f"has another id than in {source}")


def _first(url: str, wrong: npt.NDArray[np.intp], what: str) -> None:
    """Raise DataError for the first of some wrong entries."""
    if len(wrong):
        raise DataError(f"{url}: entry {wrong[0]} {what}")
