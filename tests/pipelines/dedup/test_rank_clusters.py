from typing import Any

import numpy as np
import pyarrow as pa

from filters.document_ids import as_binary
from pipelines.corpus.dedup_table import Dedup
from pipelines.dedup.deduplication import Deduplication
from pipelines.dedup.rank_clusters import REMOVED, select_duplicates

DEFAULTS = {
    "heldout": False,
    "stars": 0,
    "verdict": 0,
    "has_signature": True,
    "priority": 1,
    "previous": False,
}


def members(rows: list[dict[str, Any]]) -> pa.Table:
    """Return the documents of clusters: label, text, exact and the fields of DEFAULTS.

    Documents with the same `sketch` have equal signatures; others differ in all minima.
    """
    types = {"stars": pa.int64(), "verdict": pa.uint8(), "priority": pa.uint8()}
    columns = {
        name: pa.array([row.get(name, default) for row in rows], types.get(name))
        for name, default in DEFAULTS.items()
    }
    numbers = {
        "id": [[0, number] for number in range(len(rows))],
        "exact": [[row["exact"], 1] for row in rows],
        "normalized": [[row["text"], 2] for row in rows],
        "sketch": [[0x5555555555555555 * row.get("sketch", 0)] * 8 for row in rows],
    }
    columns |= {name: as_binary(np.array(values, np.uint64)) for name, values in numbers.items()}
    addresses = np.arange(len(rows), dtype=np.uint64) + np.uint64(5 << 32)
    labels = np.array([row["label"] for row in rows], np.uint32)
    return pa.table(columns | {"address": addresses, "label": labels})


def select(rows: list[dict[str, Any]], **config: Any) -> tuple[list[dict[str, Any]], Any]:
    dedup = Deduplication("dedup", "documents", Dedup(**config), {}, "test")
    duplicates, counts = select_duplicates(members(rows), dedup)
    assert duplicates.schema == REMOVED
    return [
        row | {name: row[name] - (5 << 32) for name in ("address", "kept", "same_text")}
        for row in duplicates.to_pylist()
    ], counts


def test_the_rule_names_the_strongest_reason_and_the_best_document_is_kept() -> None:
    removed, counts = select(
        [
            {"label": 1, "text": 1, "exact": 1},
            {"label": 1, "text": 1, "exact": 2, "stars": 9},
            {"label": 1, "text": 1, "exact": 2},
            {"label": 1, "text": 3, "exact": 3},
            {"label": 2, "text": 4, "exact": 4, "previous": True},
            {"label": 2, "text": 4, "exact": 4, "stars": 9},
        ],
        verify="none",
    )
    assert [(row["address"], row["kept"], row["rule"]) for row in removed] == [
        (0, 1, "normalized"),
        (2, 1, "exact"),
        (3, 1, "minhash"),
        (5, 4, "previous_corpus"),
    ]
    assert [row["kept_id"][8] for row in removed] == [1, 1, 1, 4]
    assert [row["size"] for row in removed] == [4, 4, 4, 2]
    assert [row["similarity"] for row in removed] == [1, 1, 1, 1]
    assert [(row["same_text"], row["same_text_rule"]) for row in removed] == [
        (1, "normalized"),
        (1, "exact"),
        (3, "exact"),
        (4, "exact"),
    ]
    assert counts["cluster_sizes"] == {"2": 1, "4": 1}
    assert counts["verified"] == {
        "clusters": 0,
        "documents": 0,
        "kept_apart": 0,
        "removed_below_threshold": 0,
    }


def test_verification_keeps_documents_that_are_not_similar() -> None:
    rows = [
        {"label": 1, "text": 1, "exact": 1},
        {"label": 1, "text": 2, "exact": 2},
        {"label": 1, "text": 3, "exact": 3, "sketch": 1},
        {"label": 2, "text": 4, "exact": 4},
        {"label": 2, "text": 5, "exact": 5},
    ]
    removed, counts = select(rows, verify="signatures")
    assert [(row["address"], row["kept"]) for row in removed] == [(1, 0), (4, 3)]
    numbers = {"clusters": 2, "documents": 5, "kept_apart": 1, "removed_below_threshold": 0}
    assert counts["verified"] == numbers
    removed, counts = select(rows, verify="none")
    assert [(row["address"], row["kept"]) for row in removed] == [(1, 0), (2, 0), (4, 3)]
    assert counts["verified"]["removed_below_threshold"] == 1


def test_documents_without_a_signature_have_no_estimate() -> None:
    rows = [
        {"label": 1, "text": 1, "exact": 1},
        {"label": 1, "text": 2, "exact": 2, "has_signature": False},
        {"label": 1, "text": 3, "exact": 3, "sketch": 1},
    ]
    removed, _ = select(rows, verify="none")
    assert [row["similarity"] for row in removed] == [0, 0]
    assert select(rows[::2], verify="none")[0][0]["similarity"] == 0
    assert select([rows[0], rows[2] | {"sketch": 0}])[0][0]["similarity"] == 1
