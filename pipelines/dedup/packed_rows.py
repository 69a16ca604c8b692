"""Rows of fixed width as bytes, for shuffles: no schema travels with each value."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from filters.document_ids import as_binary, as_uint64


def row_type(schema: pa.Schema) -> np.dtype[np.void]:
    """Return the dtype of a row: a column of binary(8 x k) is k unsigned integers."""
    return np.dtype(
        [
            (field.name, "<u8", (field.type.byte_width // 8,))
            if pa.types.is_fixed_size_binary(field.type)
            else (field.name, field.type.to_pandas_dtype())
            for field in schema
        ]
    )


def pack(table: pa.Table) -> bytes:
    """Return the rows of a table of numbers, booleans and binary(8 x k) without nulls."""
    rows = np.empty(table.num_rows, row_type(table.schema))
    for field in table.schema:
        column = table[field.name]
        is_binary = pa.types.is_fixed_size_binary(field.type)
        rows[field.name] = as_uint64(column) if is_binary else column.to_numpy()
    return rows.tobytes()


def unpack(values: Iterable[bytes], schema: pa.Schema) -> pa.Table:
    """Return the table of rows that `pack` has packed, in the order of the values."""
    rows = np.frombuffer(b"".join(values), row_type(schema))
    columns = [
        as_binary(rows[field.name])
        if pa.types.is_fixed_size_binary(field.type)
        else pa.array(np.ascontiguousarray(rows[field.name]))
        for field in schema
    ]
    return pa.table(columns, schema=schema)
