import numpy as np
import pyarrow as pa

from pipelines.dedup.exact_threshold import apply_threshold
from pipelines.dedup.rank_clusters import REMOVED


def duplicates(rows: list[tuple[int, int, int, str]]) -> pa.Table:
    """Return duplicates: address, kept, same_text, rule."""
    return pa.Table.from_pylist(
        [
            {
                "address": address,
                "kept": kept,
                "kept_id": bytes([kept] * 16),
                "size": 99,
                "similarity": 0.75,
                "rule": rule,
                "same_text": same_text,
                "same_text_id": bytes([same_text] * 16),
                "same_text_rule": "exact",
            }
            for address, kept, same_text, rule in rows
        ],
        schema=REMOVED,
    )


def test_documents_below_the_threshold_are_kept() -> None:
    table = duplicates([(1, 0, 1, "minhash"), (2, 0, 2, "minhash"), (3, 0, 3, "minhash")])
    remaining = apply_threshold(table, np.array([0.7, 0.69, 0.9], np.float32), 0.7)
    assert remaining["address"].to_pylist() == [1, 3]
    assert remaining["similarity"].to_pylist() == [np.float32(0.7), np.float32(0.9)]
    assert remaining["size"].to_pylist() == [3, 3]
    assert remaining.schema == REMOVED


def test_copies_of_a_document_that_is_kept_are_its_duplicates() -> None:
    rows = [(1, 0, 1, "minhash"), (2, 0, 1, "minhash"), (3, 0, 0, "exact")]
    remaining = apply_threshold(duplicates(rows), np.array([0.5, 0.8, 1], np.float32), 0.7)
    assert remaining["address"].to_pylist() == [2, 3]
    assert remaining["kept"].to_pylist() == [1, 0]
    assert remaining["kept_id"].to_pylist() == [bytes([1] * 16), bytes(16)]
    assert remaining["rule"].to_pylist() == ["exact", "exact"]
    assert remaining["similarity"].to_pylist() == [1, 1]
    assert remaining["size"].to_pylist() == [2, 2]


def test_no_duplicates_remain_of_none() -> None:
    assert apply_threshold(REMOVED.empty_table(), np.empty(0, np.float32), 0.7).num_rows == 0
