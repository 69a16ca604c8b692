"""The block table: 24 bytes a block."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import DataError
from manifests.io import files
from manifests.shards import block_table

ROW = st.tuples(
    st.just(0),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**63),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
)
TABLES = st.lists(ROW, max_size=5).map(lambda rows: np.array(rows, dtype=block_table.BLOCK))


def test_a_row_is_24_bytes_little_endian():
    row = np.array([(1, 2, 3, 4, 5)], dtype=block_table.BLOCK)
    numbers = ((1, 4), (2, 4), (3, 8), (4, 4), (5, 4))
    assert row.tobytes() == b"".join(n.to_bytes(size, "little") for n, size in numbers)


@given(TABLES)
def test_a_table_survives_its_receipt(table):
    assert np.array_equal(block_table.from_text(block_table.to_text(table)), table)


@given(st.lists(TABLES, max_size=4))
def test_shards_are_numbered_as_they_come(tables):
    result = np.frombuffer(block_table.number_tables(tables), dtype=block_table.BLOCK)
    assert result["shard"].tolist() == [n for n, table in enumerate(tables) for _ in table]
    for field in ("documents", "data_offset", "tokens", "crc32"):
        assert result[field].tolist() == [value for table in tables for value in table[field]]


def test_a_missing_or_cut_table_is_named(tmp_path):
    url = str(tmp_path / block_table.FILE)
    with pytest.raises(DataError, match=r"blocks\.bin: the block table is missing"):
        block_table.read_blocks(url)
    files.write_bytes(url, bytes(47))
    with pytest.raises(DataError, match="47 bytes, not a multiple of 24"):
        block_table.read_blocks(url)
    files.write_bytes(url, b"")
    assert len(block_table.read_blocks(url)) == 0


def test_a_long_document_in_three_blocks():
    table = np.zeros(5, dtype=block_table.BLOCK)
    table["shard"] = [0, 0, 0, 0, 1]
    table["documents"] = [2, 0, 0, 3, 1]
    inside = [block_table.opens_inside(table, block) for block in range(5)]
    assert inside == [False, False, True, True, False]
    counts = [
        block_table.offset_count(int(d), i) for d, i in zip(table["documents"], inside, strict=True)
    ]
    assert counts == [3, 2, 1, 3, 2]
