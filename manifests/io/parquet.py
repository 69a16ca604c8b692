"""Parquet files, read without a Python object in a thread of Arrow.

Arrow reads files with threads of its own, and such a thread may drop its reference to the file
after the read has returned. A thread that drops a Python object while the interpreter shuts down
aborts the process (exit code 134). Hence Arrow opens local files itself, and the calling thread
alone reads files of object stores and bytes in memory.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.errors import DataError
from manifests.io import files, object_store


class ParquetReader:
    """An open Parquet file, read whole or by row groups.

    Attributes:
        metadata: the footer, a `pyarrow.parquet.FileMetaData`.
        row_groups: the number of row groups.
        schema: the columns, a `pyarrow.Schema`.
    """

    def __init__(self, source: Any, *, threads: bool, buffer: int = 0) -> None:
        """Read the footer.

        Args:
            source: a `pyarrow.NativeFile`.
            threads: whether threads of Arrow may read from `source`.
            buffer: bytes of a column that are read at once; 0 reads whole row groups.

        Raises:
            pyarrow.ArrowException: `source` is not a Parquet file.
        """
        self._file = pq.ParquetFile(source, pre_buffer=threads and not buffer, buffer_size=buffer)
        self._threads = threads
        self.metadata = self._file.metadata
        self.row_groups: int = self.metadata.num_row_groups
        self.schema = self._file.schema_arrow

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the whole table, or `columns` of it in the given order."""
        return self._select(self._file.read(columns, use_threads=self._threads), columns)

    def read_row_group(self, group: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a row group, or `columns` of it in the given order."""
        table = self._file.read_row_group(group, columns, use_threads=self._threads)
        return self._select(table, columns)

    def read_leaf(self, group: int, path: str) -> pa.ChunkedArray:
        """Return a column of a row group with one of its nested fields alone.

        Args:
            group: number of the row group.
            path: path of the field in the footer, such as "files.list.element.size_bytes".
        """
        return self._file.read_row_group(group, [path], use_threads=self._threads).column(0)

    def read_batches(self, group: int, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
        """Yield tables of at most `rows` rows of some columns of a row group, in order."""
        for batch in self._file.iter_batches(rows, [group], list(columns), use_threads=False):
            yield self._select(pa.Table.from_batches([batch]), columns)

    def _select(self, table: pa.Table, columns: Sequence[str] | None) -> pa.Table:
        return table if columns is None else table.select(list(columns))


@contextmanager
def open_parquet(url: str, buffer: int = 0) -> Iterator[ParquetReader]:
    """Open a Parquet file for reading.

    Args:
        url: the file.
        buffer: bytes of a column that are read at once; 0 reads whole row groups.

    Raises:
        FileNotFoundError: the file does not exist.
        pyarrow.ArrowException: the file is not a Parquet file.
    """
    local = files.is_local(url)
    # A file of a store has no buffer: Arrow reads whole columns, and a buffer of 8 MB fetched twice
    # the bytes of a file, and half the file for a narrow column.
    source = (
        pa.OSFile(files.local_path(url))
        if local
        else pa.PythonFile(object_store.RemoteFile(url), "r")
    )
    with source:
        yield ParquetReader(source, threads=local, buffer=buffer)


def read_table(url: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Return a Parquet file, or some of its columns.

    Raises:
        DataError: the file is missing or is not a Parquet file.
    """
    with _open_readable(url) as file:
        return file.read(columns)


def read_row(url: str, row: int, columns: Sequence[str] | None = None) -> dict[str, Any]:
    """Return a row of a Parquet file, or some of its columns, from the row group that holds it.

    Raises:
        DataError: the file is missing, is not a Parquet file, or has no such row.
    """
    first = 0
    with _open_readable(url) as file:
        for group in range(file.row_groups):
            after = first + file.metadata.row_group(group).num_rows
            if first <= row < after:
                table = file.read_row_group(group, columns).slice(row - first, 1)
                values: dict[str, Any] = table.to_pylist()[0]
                return values
            first = after
    raise DataError(f"{url}: has no row {row}, only {first}")


@contextmanager
def _open_readable(url: str) -> Iterator[ParquetReader]:
    """Open a Parquet file as `open_parquet`; DataError if it is missing or cannot be read."""
    try:
        with open_parquet(url) as file:
            yield file
    except FileNotFoundError:
        raise DataError(f"{url}: the file is missing") from None
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{url}: cannot be read as Parquet: {error}") from None


def parse_table(data: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """Return the table, or some columns, of the content of a Parquet file.

    Raises:
        pyarrow.ArrowException: `data` is not the content of a Parquet file.
    """
    return ParquetReader(pa.BufferReader(data), threads=False).read(columns)


def write_table(url: str, table: pa.Table, **options: Any) -> None:
    """Write a Parquet file atomically, with options of `pyarrow.parquet.write_table`."""
    with files.replacing(url) as output:
        pq.write_table(table, output, **options)
