"""Parquet inputs: checked and cut by their footers, read a row group at a time."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.errors import InputError
from manifests.io import files
from pipelines.sources.rows import Holds, can_hold


@contextmanager
def opened(url: str) -> Iterator[Any]:
    """Open a Parquet file; InputError where it is none or is damaged."""
    try:
        with files.open_input(url) as source, pq.ParquetFile(source) as file:
            yield file
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise InputError(f"{url}: is not a whole Parquet file: {_first_line(error)}") from None
    except FileNotFoundError:
        raise InputError(f"{url}: there is no such file") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise InputError(f"{url}: is not a whole Parquet file: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def cut(url: str, columns: Mapping[str, Holds], text: str, limit: int) -> list[tuple[int, int]]:
    """Return ranges of row groups, each with at most `limit` bytes of text or one row group.

    Raises:
        InputError: the file is no Parquet file, lacks one of `columns`, or has another type there.
    """
    with opened(url) as file:
        _check(url, file.schema_arrow, columns)
        sizes = [_text_bytes(file.metadata.row_group(i), text) for i in range(file.num_row_groups)]
    ranges: list[tuple[int, int]] = []
    start = total = 0
    for group, size in enumerate(sizes):
        if group > start and total + size > limit:
            ranges.append((start, group))
            start, total = group, 0
        total += size
    return [*ranges, (start, len(sizes))]


def _check(url: str, schema: Any, columns: Mapping[str, Holds]) -> None:
    for name, holds in columns.items():
        if name not in schema.names:
            raise InputError(
                f"{url}: the column {name!r} is missing; it has {', '.join(schema.names)}"
            )
        kind = schema.field(name).type
        if not can_hold(kind, holds):
            needed = "numbers" if holds == "number" else "strings"
            raise InputError(f"{url}: the column {name!r} holds {kind}, where {needed} are needed")


def _text_bytes(group: Any, text: str) -> int:
    """The uncompressed bytes of a row group's text column, as the footer has them."""
    for index in range(group.num_columns):
        column = group.column(index)
        if column.path_in_schema == text:
            return int(column.total_uncompressed_size)
    return int(group.total_byte_size)


def read(url: str, start: int, stop: int, columns: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
    """Yield (number of the first row in the file, table) for each row group of a range."""
    with opened(url) as file:
        row = sum(file.metadata.row_group(i).num_rows for i in range(start))
        for group in range(start, stop):
            table = file.read_row_group(group, columns=list(columns))
            yield row, table
            row += table.num_rows
