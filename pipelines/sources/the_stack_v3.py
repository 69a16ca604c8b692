"""The Stack v3: one row a repository, with its files nested in the column `files`.

A repository can have tens of thousands of files, so its row can be larger than a part. Row groups
of up to GROUP_BYTES are read at once, larger ones row by row. A file is numbered by its place among
all nested files of an input, of which a repository without files takes one.
"""

from collections.abc import Iterator, Set
from itertools import islice
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from filters.quality.batch import Genre
from manifests.errors import InputError
from manifests.io.parquet import ParquetReader
from pipelines.sources.layout import MAX_PART_BYTES, PartRows, Range, SourceLayout
from pipelines.sources.parquet_input import (
    DAMAGED,
    check_columns,
    is_damage,
    opened,
    ranges_of_groups,
)
from pipelines.sources.partition import with_values
from pipelines.sources.rows import (
    DEFAULTS,
    ROWS,
    component_slug,
    one_array,
    star_count,
    text_column,
    unicode,
    values,
)
from pipelines.sources.the_stack_v2 import licenses

Numbers = npt.NDArray[np.int64]

COLUMNS = ("repo_path", "github_metadata", "files")

FILE_FIELDS = ("content", "file_path", "language", "is_vendor", "license_type", "detected_licenses")
"""Fields of `files` that are read (the card of HuggingFaceCode/stack-v3-train)."""

MAX_ROW_BYTES = 768 << 20
"""Bytes of the texts of the largest row that is read, by `size_bytes` of its files and, for a row
group of one row, by the footer. Ours: Arrow holds the row's page, compressed and not, beside the
decoded texts; up to this size, that is less than 1 GiB more than the row (measured: 1.6 GiB for a
row of 760 MiB, 2.6 GiB for one of 1,020 MiB). In a row group of several rows the row before is
held, too."""

GROUP_BYTES = 256 << 20
"""Bytes of the texts of a row group that is read at once. Ours: a part has as many."""

BUFFER_BYTES = 1 << 20
"""Bytes of a column that are read at once of a row group that is read row by row."""

TOO_LARGE, UNREADABLE, REPEATED = "row_too_large", "row_unreadable", "repeated_file"
"""Faults: a row above MAX_ROW_BYTES; a damaged row, or one behind it or behind a row above 2 GiB,
which Arrow cannot decode, in the same row group; a file whose path and text an earlier file of its
row has."""


class TheStackV3(SourceLayout):
    """Layout of The Stack v3.

    It was published redacted. `partition_by = ["is_vendor"]` sets vendored files apart.
    """

    partition_columns: ClassVar[frozenset[str]] = frozenset({"is_vendor"})

    def genre(self, component: str) -> Genre:
        """Return `code`: the documents are files of repositories, whatever their language."""
        return "code"

    def cut(self, url: str, max_bytes: int = MAX_PART_BYTES) -> list[Range]:
        """Return ranges of row groups, each with at most `max_bytes` of text or one row group."""
        with opened(url) as file:
            _check(url, file)
            sizes = [
                _chunk(file, group).total_uncompressed_size for group in range(file.row_groups)
            ]
        return ranges_of_groups(sizes, max_bytes)

    def read(
        self, url: str, path: str, unit: Range, max_bytes: int = MAX_PART_BYTES
    ) -> Iterator[PartRows]:
        """Yield the files of the repositories of some row groups, in parts of `max_bytes`."""
        number = size = 0
        tables: list[pa.Table] = []
        for rows in self._tables(url, unit):
            for piece, bytes_of_piece in _pieces(rows, max_bytes):
                if tables and size + bytes_of_piece > max_bytes:
                    yield PartRows(number, pa.concat_tables(tables), last=False)
                    tables, size, number = [], 0, number + 1
                tables.append(piece)
                size += bytes_of_piece
        yield PartRows(number, pa.concat_tables(tables or [ROWS.empty_table()]), last=True)

    def texts(self, url: str, path: str, rows: Set[int]) -> dict[int, str | None]:
        """Return file -> text, from the row groups that hold one of the files."""
        texts: dict[int, str | None] = {}
        for table in self._tables(url, (0, None), rows):
            index = np.flatnonzero(np.isin(table["input_row"].to_numpy(), list(rows)))
            found = table.take(pa.array(index))
            pairs = (found[name].to_pylist() for name in ("input_row", "text"))
            texts |= dict(zip(*pairs, strict=True))
        return texts

    def _tables(self, url: str, unit: Range, wanted: Set[int] | None = None) -> Iterator[pa.Table]:
        """Yield the files of row groups as ROWS: a table for each group, or for each large row."""
        start, stop = unit
        with opened(url) as file, opened(url, BUFFER_BYTES) as slow:
            ends = np.cumsum([_chunk(file, group).num_values for group in range(file.row_groups)])
            for group in range(start, file.row_groups if stop is None else stop):
                first = int(ends[group - 1]) if group else 0
                numbers = range(first, int(ends[group]))
                if wanted is None or any(number in numbers for number in wanted):
                    yield from self._group(file, slow, group, first)

    def _group(
        self, file: ParquetReader, slow: ParquetReader, group: int, first: int
    ) -> Iterator[pa.Table]:
        """Yield the files of a row group, whose first file has the number `first`."""
        counts, sizes = _row_sizes(file, group)
        if max(sizes.sum(), _chunk(file, group).total_uncompressed_size) <= GROUP_BYTES:
            yield self._rows(file.read_row_group(group, COLUMNS), first)
            return
        names = values(file.read_row_group(group, ["repo_path"])["repo_path"])
        numbers = first + np.cumsum(counts) - counts
        is_large = sizes > MAX_ROW_BYTES
        # Nothing behind the last row that is read is decoded.
        needed = int(np.append(0, 1 + np.flatnonzero(~is_large)).max())
        rows = islice(_single_rows(slow, group), needed)
        for number, name, large in zip(numbers.tolist(), names, is_large.tolist(), strict=True):
            try:
                row = next(rows, None)
            except (*DAMAGED, OSError) as error:
                if not is_damage(error):
                    raise
                row = None
            if large or row is None:
                yield _fault_row(number, name, TOO_LARGE if large else UNREADABLE)
            else:
                yield self._rows(row, number)

    def _rows(self, table: pa.Table, first: int) -> pa.Table:
        """Return the files of repositories as ROWS; the first one has the number `first`."""
        lists = one_array(table["files"])
        counts = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
        owner = np.repeat(np.arange(len(counts)), counts)
        # A repository without files takes a number.
        numbers = first + np.arange(len(owner)) + np.cumsum(counts == 0)[owner]
        fields = {name: pc.struct_field(lists.flatten(), name) for name in FILE_FIELDS}
        texts, faults = text_column(pa.chunked_array([fields["content"]]))
        columns = {name: values(pa.chunked_array([fields[name]])) for name in FILE_FIELDS[1:]}
        names, paths = values(table["repo_path"]), [path or "" for path in columns["file_path"]]
        stars = [
            star_count(row.get("stars") if isinstance(row, dict) else None)
            for row in values(table["github_metadata"])
        ]
        for row in _repeated(owner, paths, texts):
            faults[row] = faults[row] or REPEATED
        repositories = [[names[row]] if names[row] else [] for row in owner]
        columns_of_rows = {
            "input_row": numbers,
            "component": [
                with_values(component_slug(language), self.partition_by, {"is_vendor": vendored})
                for language, vendored in zip(
                    columns["language"], columns["is_vendor"], strict=True
                )
            ],
            "repositories": repositories,
            "path": list(map(unicode, paths)),
            "licenses": [
                licenses(kind, None, detected) if kind == "permissive" else None
                for kind, detected in zip(
                    columns["license_type"], columns["detected_licenses"], strict=True
                )
            ],
            "stars": [stars[row] for row in owner],
            "fault": faults,
            "text": texts,
        }
        defaults = {name: [value] * len(texts) for name, value in DEFAULTS.items()}
        return pa.table({**defaults, **columns_of_rows}, schema=ROWS)


def _single_rows(file: ParquetReader, group: int) -> Iterator[pa.Table]:
    """Yield the rows of a row group one by one."""
    if file.metadata.row_group(group).num_rows == 1:
        # Batches of Arrow would keep a second copy of the row.
        yield file.read_row_group(group, COLUMNS)
    else:
        yield from file.read_batches(group, COLUMNS, 1)


def _row_sizes(file: ParquetReader, group: int) -> tuple[Numbers, Numbers]:
    """Return the numbers that the files of each row take, and the bytes of their texts."""
    chunk = _chunk(file, group, "size_bytes")
    lists = one_array(file.read_leaf(group, chunk.path_in_schema))
    counts = pc.fill_null(pc.list_value_length(lists), 0).to_numpy().astype(np.int64)
    sizes = pc.fill_null(pc.struct_field(lists.flatten(), "size_bytes"), 0).to_numpy()
    totals, ends = np.append(0, np.cumsum(sizes, dtype=np.int64)), np.cumsum(counts)
    sums = totals[ends] - totals[ends - counts]
    if len(sums) == 1:
        sums = np.maximum(sums, _chunk(file, group).total_uncompressed_size)
    # A repository without files takes a number.
    return np.maximum(counts, 1), sums


def _chunk(file: ParquetReader, group: int, field: str = "content") -> Any:
    """Return the metadata of a field of the files of a row group, by default of the texts."""
    metadata = file.metadata.row_group(group)
    chunks = map(metadata.column, range(metadata.num_columns))
    return next(
        chunk
        for chunk in chunks
        if chunk.path_in_schema.startswith("files.") and chunk.path_in_schema.endswith(f".{field}")
    )


def _check(url: str, file: ParquetReader) -> None:
    """Raise InputError unless a file has the columns and fields of The Stack v3."""
    check_columns(url, file.schema, {"repo_path": "name", "files": "count"})
    check_columns(url, file.schema, {"github_metadata": "names"})
    kind = file.schema.field("files").type.value_type
    if not pa.types.is_struct(kind):
        raise InputError(f"{url}: the column 'files' holds {kind}, where files are needed")
    check_columns(url, pa.schema(list(kind)), dict.fromkeys(FILE_FIELDS, "names"))
    check_columns(url, pa.schema(list(kind)), {"content": "text", "size_bytes": "number"})


def _pieces(rows: pa.Table, max_bytes: int) -> Iterator[tuple[pa.Table, int]]:
    """Yield slices of a table of at most `max_bytes` of text or one row, and their bytes."""
    sizes = pc.fill_null(pc.binary_length(rows["text"]), 0).to_numpy()
    start = total = 0
    for row, size in enumerate(sizes.tolist()):
        if row > start and total + size > max_bytes:
            yield rows.slice(start, row - start), total
            start, total = row, 0
        total += size
    yield rows.slice(start), total


def _repeated(owner: npt.NDArray[np.int64], paths: list[str], texts: pa.Array) -> list[int]:
    """Return the files whose path and text an earlier file of the same repository has."""
    seen: dict[tuple[int, str], list[int]] = {}
    repeated = []
    for row, key in enumerate(zip(owner.tolist(), paths, strict=True)):
        earlier = seen.setdefault(key, [])
        if any(texts[row] == texts[other] for other in earlier):
            repeated.append(row)
        else:
            earlier.append(row)
    return repeated


def _fault_row(number: int, repository: str | None, fault: str) -> pa.Table:
    """Return a row of ROWS without a text that names a repository."""
    row = {"input_row": number, "repositories": [repository] if repository else [], "fault": fault}
    return pa.Table.from_pylist([{**DEFAULTS, **row}], schema=ROWS)
