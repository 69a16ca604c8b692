"""Tables of parts of `compact` and `materialize`: one row for each shard that a job looks at."""

from collections.abc import Iterable
from typing import TypedDict, TypeVar, get_type_hints

import pyarrow as pa

TYPES = {str: pa.string(), int: pa.int64(), bool: pa.bool_()}


class PartRow(TypedDict):
    """What every table of parts has: the name of a receipt, its input, and the shard's number."""

    part: str
    source: str
    input: str
    number: int


Row = TypeVar("Row", bound=PartRow)


def part_table(row: type[Row], rows: Iterable[Row]) -> pa.Table:
    """Return rows as a table whose columns are the fields of the class `row`, without nulls."""
    columns = get_type_hints(row).items()
    schema = pa.schema([pa.field(name, TYPES[kind], nullable=False) for name, kind in columns])
    return pa.Table.from_pylist(list(rows), schema=schema)
