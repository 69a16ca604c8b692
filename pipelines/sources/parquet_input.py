"""Parquet inputs: checked and cut by their footers, read one row group at a time."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from manifests.errors import InputError
from manifests.io.parquet import ParquetReader, open_parquet
from manifests.ranges import ranges_within
from pipelines.sources.layout import MAX_PART_BYTES, PartRows, Range, SourceLayout
from pipelines.sources.rows import DEFAULTS, ROWS, ColumnContents, can_hold, text_column, values

DAMAGED = (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError)
"""Errors of Arrow about the content of a file, beside OSErrors for which `is_damage` is true."""


class ParquetLayout(SourceLayout):
    """Layout of Parquet files: a range is some row groups of an input, and is one part."""

    column_contents: ClassVar[ColumnContents] = {}
    """Columns that are read, and what each one holds."""

    @abstractmethod
    def fields(
        self, columns: Mapping[str, list[Any]], texts: pa.Array, path: str
    ) -> Mapping[str, Any]:
        """Return the fields of ROWS of a batch, n values each, except fields by default.

        Args:
            columns: the columns of `required_columns` except the texts, n values each.
            texts: large_string [n], null where a row has a fault. They are the field `text` unless
                the result has this field.
            path: path of the input below the source's root.
        """

    def text_name(self) -> str:
        """Return the name of the column of the texts."""
        return "content"

    def required_columns(self, schema: pa.Schema) -> ColumnContents:
        """Return the columns that are read of a file with a schema, and what they hold."""
        return self.column_contents

    def cut(self, url: str, max_bytes: int = MAX_PART_BYTES) -> list[Range]:
        """Return ranges of row groups, each with at most `max_bytes` of text or one row group."""
        with opened(url) as file:
            check_columns(url, file.schema, self.required_columns(file.schema))
            groups = map(file.metadata.row_group, range(file.row_groups))
            sizes = [_text_bytes(group, self.text_name()) for group in groups]
        return ranges_of_groups(sizes, max_bytes)

    def read(
        self, url: str, path: str, unit: Range, max_bytes: int = MAX_PART_BYTES
    ) -> Iterator[PartRows]:
        """Yield the rows of a range of row groups as one part."""
        start, stop = unit
        batches = [
            self._rows(table, range(first, first + table.num_rows), path)
            for first, table in self._row_groups(url, start, stop)
        ]
        yield PartRows(0, pa.concat_tables(batches) if batches else ROWS.empty_table(), last=True)

    def texts(self, url: str, path: str, rows: Set[int]) -> dict[int, str | None]:
        """Return row -> text, from the row groups that hold one of the rows."""
        texts: dict[int, str | None] = {}
        for first, table in self._row_groups(url, 0, None, rows):
            numbers = [row for row in sorted(rows) if first <= row < first + table.num_rows]
            batch = self._rows(table.take([row - first for row in numbers]), numbers, path)
            texts |= dict(zip(numbers, batch["text"].to_pylist(), strict=True))
        return texts

    def _row_groups(
        self, url: str, start: int, stop: int | None, rows: Set[int] | None = None
    ) -> Iterator[tuple[int, pa.Table]]:
        """Yield (number of the first row, table) of row groups: of all, or of those with `rows`."""
        with opened(url) as file:
            columns = self.required_columns(file.schema)
            first = 0
            for group in range(file.row_groups if stop is None else stop):
                after = first + file.metadata.row_group(group).num_rows
                if group >= start and (rows is None or any(first <= row < after for row in rows)):
                    yield first, file.read_row_group(group, list(columns))
                first = after

    def _rows(self, table: pa.Table, numbers: Sequence[int], path: str) -> pa.Table:
        """Return a table of the input, whose rows have these numbers, as ROWS."""
        contents, text = self.required_columns(table.schema), self.text_name()
        texts, faults = text_column(table[text])
        columns = {
            name: values(table[name], contents[name]) for name in table.column_names if name != text
        }
        defaults = {name: [value] * len(texts) for name, value in DEFAULTS.items()}
        given = {"input_row": numbers, "fault": faults, "text": texts}
        return pa.table({**defaults, **given, **self.fields(columns, texts, path)}, schema=ROWS)


@contextmanager
def opened(url: str, buffer: int = 0) -> Iterator[ParquetReader]:
    """Open a Parquet file as `open_parquet`; InputError if it is damaged or is not Parquet."""
    try:
        with open_parquet(url, buffer) as file:
            yield file
    except FileNotFoundError:
        raise InputError(f"{url}: there is no such file") from None
    except (*DAMAGED, OSError) as error:
        if not is_damage(error):
            raise
        first_line = str(error).partition("\n")[0]
        raise InputError(f"{url}: is not a whole Parquet file: {first_line}") from None


def is_damage(error: Exception) -> bool:
    """Tell whether an error is about the content of a file: Arrow's OSErrors have no number."""
    return not (isinstance(error, OSError) and error.errno is not None)


def check_columns(url: str, schema: Any, columns: ColumnContents) -> None:
    """Raise InputError if a column is missing or has a type that cannot hold its content."""
    for name, content in columns.items():
        if name not in schema.names:
            raise InputError(
                f"{url}: the column {name!r} is missing; it has {', '.join(schema.names)}"
            )
        kind = schema.field(name).type
        if not can_hold(kind, content):
            needed = "numbers" if content == "number" else "strings"
            raise InputError(f"{url}: the column {name!r} holds {kind}, where {needed} are needed")


def ranges_of_groups(sizes: Sequence[int], max_bytes: int) -> list[Range]:
    """Cut row groups of some sizes into ranges of at most `max_bytes`, or of one row group."""
    return list(ranges_within(np.cumsum([0, *sizes]), max_bytes)) or [(0, 0)]


def _text_bytes(group: Any, text: str) -> int:
    """Return the uncompressed bytes of a row group's text column, from the footer."""
    columns = map(group.column, range(group.num_columns))
    sizes = (column.total_uncompressed_size for column in columns if column.path_in_schema == text)
    return int(next(sizes, group.total_byte_size))
