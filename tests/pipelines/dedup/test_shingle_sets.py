from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from filters.dedup.minhash import load_profile, shingles
from pipelines.dedup.shingle_sets import ShingleSets, write_shingle_sets
from tests.corpora import code
from tests.documents import document, write_filtered


@pytest.mark.parametrize("rows", [[], [0], [2, 3, 7], list(range(9))])
def test_shingle_sets_are_read_as_they_were_written(tmp_path: Path, rows: list[int]) -> None:
    texts = [code(seed, lines=1 + seed) if seed != 3 else "" for seed in range(9)]
    write_filtered(tmp_path, [[document(text) for text in texts]], row_group=3)
    [part] = (tmp_path / "license_filter/documents").iterdir()
    profile = load_profile("stack-v1.2")
    url = str(tmp_path / "sets")
    write_shingle_sets(url, str(part), np.array(rows, np.int64), profile)
    with closing(ShingleSets(url)) as sets:
        for row in rows:
            expected, _ = shingles(pa.array([texts[row]], pa.large_string()), profile)
            np.testing.assert_array_equal(sets.read(row), expected)
