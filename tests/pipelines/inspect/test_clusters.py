from pathlib import Path

import pytest

from manifests.errors import UsageError
from manifests.lineage.chain import load_chain
from pipelines.inspect.clusters import render_clusters, sample_clusters
from tests.corpora import code
from tests.documents import deduplicate, document, write_filtered
from tests.outputs import printed


def test_the_largest_clusters_and_a_sample_are_printed_side_by_side(tmp_path: Path) -> None:
    near = [code(1), code(1) + "x = 1\n", code(1).replace("return", "yield", 1)]
    rows = [*near, code(2), code(2), code(3), code(4), code(4)]
    write_filtered(tmp_path, [[document(text, stars=9 - i)] for i, text in enumerate(rows)])
    deduplicate(tmp_path)
    chain = load_chain(str(tmp_path / "dedup"))
    clusters = sample_clusters(chain, 2)
    assert [cluster["size"] for cluster in clusters["largest"]] == [3, 2]
    assert len(clusters["sample"]) == 2
    largest = clusters["largest"][0]
    assert largest["stays"]["text"] == near[0] and largest["goes"]["text"] in near[1:]
    assert [cluster["size"] for cluster in sample_clusters(chain, 9)["sample"]].count(2) == 2
    text = printed(render_clusters(clusters))
    assert "The largest clusters" in text and "3 documents; rule minhash" in text
    assert "the texts are equal" in text and ("x = 1" in text or "yield" in text)


def test_a_document_kept_in_a_previous_corpus_has_no_text(tmp_path: Path) -> None:
    write_filtered(tmp_path / "old", [[document(code(1))]])
    deduplicate(tmp_path / "old")
    write_filtered(tmp_path / "new", [[document(code(1) + "x = 1\n", path="a.py")]])
    deduplicate(tmp_path / "new", previous_corpora=[str(tmp_path / "old/dedup")])
    clusters = sample_clusters(load_chain(str(tmp_path / "new/dedup")))
    text = printed(render_clusters(clusters))
    assert "in a previous corpus" in text and "a.py" in text and "one of the texts is not" in text


def test_without_dedup_there_are_no_clusters(tmp_path: Path) -> None:
    write_filtered(tmp_path, [[document(code(1))]])
    with pytest.raises(UsageError, match="holds no dedup"):
        sample_clusters(load_chain(str(tmp_path / "license_filter")))
    deduplicate(tmp_path)
    assert "there are no duplicates" in printed(
        render_clusters(sample_clusters(load_chain(str(tmp_path))))
    )
