import numpy as np
import pyarrow as pa
import pytest

from pipelines.dedup.packed_rows import pack, unpack

SCHEMA = pa.schema(
    [
        pa.field("id", pa.binary(16)),
        pa.field("label", pa.uint32()),
        pa.field("heldout", pa.bool_()),
        pa.field("similarity", pa.float32()),
        pa.field("sketch", pa.binary(40)),
    ]
)


def table(rows: int, seed: int) -> pa.Table:
    draw = np.random.default_rng(seed)
    columns = [
        pa.array([draw.bytes(16) for _ in range(rows)], pa.binary(16)),
        pa.array(draw.integers(0, 1 << 32, rows), pa.uint32()),
        pa.array(draw.integers(0, 2, rows).astype(bool)),
        pa.array(draw.random(rows), pa.float32()),
        pa.array([draw.bytes(40) for _ in range(rows)], pa.binary(40)),
    ]
    return pa.table(columns, schema=SCHEMA)


@pytest.mark.parametrize("sizes", [[], [0], [1], [3, 0, 5]])
def test_rows_come_back_as_they_were(sizes: list[int]) -> None:
    tables = [table(size, seed) for seed, size in enumerate(sizes)]
    packed = [pack(one) for one in tables]
    assert [len(data) for data in packed] == [65 * size for size in sizes]
    expected = pa.concat_tables([SCHEMA.empty_table(), *tables])
    assert unpack(packed, SCHEMA).equals(expected.combine_chunks())


def test_a_slice_is_packed_alone() -> None:
    whole = table(9, 0)
    assert unpack([pack(whole.slice(2, 4))], SCHEMA).equals(whole.slice(2, 4))
