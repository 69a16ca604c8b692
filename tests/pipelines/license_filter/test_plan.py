"""The plan has every row group of every input once, in parts of bounded size."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import DataError
from pipelines.corpus.loading import load_corpus
from pipelines.license_filter.plan import make_plan
from pipelines.license_filter.reference_lists import digest_lists
from pipelines.sources.own import OwnParquet


def planned(path: Path) -> pa.Table:
    corpus = load_corpus(str(path))
    return make_plan(corpus, digest_lists(corpus))


def names(corpus: Path) -> list[str]:
    return [row["part"] for row in planned(corpus).to_pylist()]


def test_names_of_parts_depend_on_the_input_and_the_settings(corpus: Path) -> None:
    before = names(corpus)
    assert len(set(before)) == len(before) == 4
    assert names(corpus) == before
    text = corpus.read_text()
    corpus.write_text(text + "[filters]\nmax_line_length = 900\n")
    assert not set(names(corpus)) & set(before)
    corpus.write_text(text.replace("priority = 3", "priority = 4"))
    assert names(corpus) == before, "priority decides in dedup, not here"
    pile = corpus.parent / "data/pile/train/00.jsonl.zst"
    os.utime(pile, (1, 1))
    assert len(set(names(corpus)) & set(before)) == 3


def test_a_pattern_without_files_is_named(corpus: Path) -> None:
    corpus.write_text(corpus.read_text().replace("data/pile/train", "data/pile/nowhere"))
    with pytest.raises(DataError, match="source pile: no file matches"):
        planned(corpus)


def test_components_choose_directories(corpus: Path) -> None:
    chosen = corpus.read_text().replace("priority = 1\n", 'priority = 1\ncomponents = ["C++"]\n')
    corpus.write_text(chosen)
    rows = planned(corpus).to_pylist()
    stack = [row["input"] for row in rows if row["source"] == "the-stack"]
    assert stack == ["cpp/train-00000-of-00001.parquet"]
    corpus.write_text(chosen.replace("C++", "Cobol"))
    with pytest.raises(DataError, match="holds Cobol"):
        planned(corpus)


def test_a_file_that_is_no_parquet_is_a_row_with_its_reason(corpus: Path) -> None:
    bad = corpus.parent / "data/stack/data/python/train-00001-of-00002.parquet"
    bad.write_bytes(b"PAR1 not really")
    rows = planned(corpus).to_pylist()
    (row,) = [row for row in rows if row["error"]]
    assert row["input"].endswith(bad.name) and "is not a whole Parquet file" in row["error"]


@given(
    st.lists(st.integers(1, 400), min_size=1, max_size=30),
    st.integers(1, 4),
    st.integers(1, 20_000),
)
def test_cuts_cover_every_row_group_once(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], group: int, limit: int
) -> None:
    path = tmp_path_factory.mktemp("cut") / "a.parquet"
    texts = [os.urandom(length // 2).hex() for length in lengths]
    pq.write_table(pa.table({"text": texts}), path, row_group_size=group)
    cuts = OwnParquet().cut(str(path), limit)
    metadata = pq.ParquetFile(path).metadata
    assert [start for start, _ in cuts][1:] == [stop for _, stop in cuts][:-1]
    assert cuts[0][0] == 0 and cuts[-1][1] == metadata.num_row_groups
    for start, stop in cuts:
        assert stop is not None
        sizes = [
            metadata.row_group(i).column(0).total_uncompressed_size for i in range(start, stop)
        ]
        assert len(sizes) == 1 or sum(sizes) <= limit
