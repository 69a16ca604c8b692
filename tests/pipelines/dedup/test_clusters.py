from pathlib import Path

import numpy as np
import pytest

from pipelines.corpus.dedup_table import Dedup
from pipelines.dedup.clusters import cluster_ranges, columns_of_rounds
from pipelines.dedup.deduplication import Deduplication, Limits
from pipelines.dedup.parts import DocumentsPart, write_tables
from pipelines.dedup.rank_clusters import max_differing


def settings(directory: Path, limits: Limits | None = None, verify: str = "none") -> Deduplication:
    config = Dedup(verify=verify)
    return Deduplication(str(directory), "none", config, {}, "test", limits or Limits())


def test_ranges_hold_whole_clusters() -> None:
    sizes = np.array([2, 3, 9, 2, 2], np.uint32)
    assert cluster_ranges(sizes, 5) == [(0, 2), (2, 3), (3, 5)]
    assert cluster_ranges(sizes, 4) == [(0, 1), (1, 2), (2, 3), (3, 5)]
    assert cluster_ranges(sizes[:0], 5) == []


@pytest.mark.parametrize(
    ("documents", "in_process", "rounds"),
    [(10, True, 4), (100, True, 7), (10**9, True, 7), (10**9, False, 1)],
)
def test_rounds_share_out_all_columns(
    tmp_path: Path, documents: int, in_process: bool, rounds: int
) -> None:
    row = DocumentsPart(part=0, name="a", source="a", documents=documents, sha256="")
    write_tables(str(tmp_path), [row], Dedup())
    dedup = settings(tmp_path, Limits(hashes_per_round=80, min_columns=4))
    columns = columns_of_rounds(dedup, in_process)
    assert [column for some in columns for column in some] == list(range(26))
    assert len(columns) == rounds


def test_estimates_have_a_margin_where_exact_similarity_decides(tmp_path: Path) -> None:
    # 256 minima, threshold 0.7; two bits of different minima are equal in a quarter of all cases.
    assert max_differing(settings(tmp_path)) == int(0.3 * 0.75 * 256)
    assert max_differing(settings(tmp_path, verify="exact")) == int(0.4 * 0.75 * 256)
