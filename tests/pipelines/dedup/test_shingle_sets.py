"""Sets of shingles come back one by one as they were written."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from filters.dedup.minhash import load_profile, shingles
from pipelines.dedup.shingle_sets import Sets, write_sets
from tests import documents
from tests.corpora import code
from tests.documents import document, write_filtered


@pytest.mark.parametrize("rows", [[], [0], [2, 3, 7], list(range(9))])
def test_sets_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[int]) -> None:
    monkeypatch.setattr(documents, "GROUP", 3)
    texts = [code(seed, lines=1 + seed) if seed != 3 else "" for seed in range(9)]
    write_filtered(tmp_path, [[document(text) for text in texts]])
    [part] = (tmp_path / "license_filter/documents").iterdir()
    profile = load_profile("stack-v1.2")
    url = str(tmp_path / "sets")
    write_sets(url, str(part), np.array(rows, np.int64), profile)
    with closing(Sets(url)) as found:
        for row in rows:
            expected, _ = shingles(pa.array([texts[row]], pa.large_string()), profile)
            np.testing.assert_array_equal(found.of(row), expected)
