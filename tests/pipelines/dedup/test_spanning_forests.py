from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest

from filters.dedup import union_find
from filters.dedup.union_find import U64
from manifests.io.parquet import read_table
from pipelines.corpus.dedup_table import Dedup
from pipelines.dedup.deduplication import Deduplication, Limits
from pipelines.dedup.parts import write_tables
from pipelines.dedup.signatures import ComputeSignatures
from pipelines.dedup.spanning_forests import SpanningForests
from pipelines.runtime.job import readable_rows
from pipelines.runtime.step import do_row
from tests.corpora import code
from tests.documents import document, write_filtered
from tests.pipelines.dedup.corpora import PRIORITIES, cut, mixed_corpus


def signed(output: Path, limits: Limits) -> Deduplication:
    """Write the signatures of a corpus, and return the settings of its dedup."""
    documents = str(output / "license_filter/documents")
    dedup = Deduplication(str(output / "dedup"), documents, Dedup(), PRIORITIES, "test", limits)
    rows = read_table(str(output / "license_filter/parts.parquet")).to_pylist()
    table = write_tables(dedup.directory, rows, dedup.config)
    for row in readable_rows(table):
        do_row(ComputeSignatures(dedup), row)
    return dedup


def test_a_part_shuffles_equal_hashes_once(tmp_path: Path) -> None:
    write_filtered(tmp_path, [[document("same\n" * 9) for _ in range(2000)]])
    dedup = signed(tmp_path, Limits())
    linked = SpanningForests(dedup, tuple(range(26))).link_in_part(dedup.parts()[0], 2000)
    *hashes, forest = list(linked)
    shuffled = [output for output in hashes if isinstance(output, tuple)]
    assert [(key, len(packed)) for key, packed in shuffled] == [((k, 0), 16) for k in range(26)]
    assert isinstance(forest, beam.pvalue.TaggedOutput)
    _, edges = forest.value
    assert as_pairs(edges).tolist() == [[0, row] for row in range(1, 2000)]


def as_pairs(packed: bytes) -> U64:
    return np.frombuffer(packed, np.uint64).reshape(-1, 2)


def test_the_edges_of_all_columns_and_parts_become_forests_without_repetitions(
    tmp_path: Path,
) -> None:
    rows = [document(code(seed % 50)) for seed in range(150)]
    write_filtered(tmp_path, [rows[part::3] for part in range(3)])
    dedup = signed(tmp_path, Limits())
    transform = SpanningForests(dedup, tuple(range(26)))
    linked = [output for part in dedup.parts() for output in transform.link_in_part(part, 150)]
    hashes: dict[tuple[int, int], list[bytes]] = {}
    edges: dict[int, list[bytes]] = {}
    for output in linked:
        if isinstance(output, tuple):
            hashes.setdefault(output[0], []).append(output[1])
        else:
            edges.setdefault(output.value[0], []).append(output.value[1])
    for item in hashes.items():
        for bucket, packed in transform.link_across_parts(item, 150):
            edges.setdefault(bucket, []).append(packed)
    merged = [np.load(dedup.url(transform.merge(*item))) for item in edges.items()]
    assert len(merged) == 4
    addresses, labels = union_find.components(np.concatenate(merged))
    assert len(addresses) == 150 and len(np.unique(labels)) == 50
    assert sum(map(len, merged)) == 100, "one edge for each copy"


@pytest.mark.parametrize("ranges", [1, 5])
def test_every_part_sends_a_hash_to_the_same_range(tmp_path: Path, ranges: int) -> None:
    write_filtered(tmp_path, cut(mixed_corpus(), 3, 5))
    dedup = signed(tmp_path, Limits(hashes_per_range=100))
    transform = SpanningForests(dedup, (0, 3, 7))
    places: dict[tuple[int, int], set[int]] = {}
    for part in dedup.parts():
        for output in transform.link_in_part(part, 100 * (ranges - 1)):
            if isinstance(output, tuple):
                (column, number), packed = output
                for value in np.frombuffer(packed, np.uint64)[::2].tolist():
                    places.setdefault((column, value), set()).add(number)
    assert all(len(numbers) == 1 for numbers in places.values())
    assert {number for numbers in places.values() for number in numbers} == set(range(ranges))
