from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest

from pipelines.corpus.dedup_table import Dedup
from pipelines.dedup.deduplication import Deduplication, Limits
from pipelines.dedup.spanning_forests import SpanningForests
from tests.documents import deduplicate, document, write_filtered
from tests.pipelines.dedup.corpora import PRIORITIES, cut, mixed_corpus


def signed(output: Path, limits: Limits) -> Deduplication:
    """Return the settings of a corpus that has signatures."""
    deduplicate(output, PRIORITIES)
    documents = str(output / "license_filter/documents")
    return Deduplication(str(output / "dedup"), documents, Dedup(), PRIORITIES, "test", limits)


def test_a_part_shuffles_equal_hashes_once(tmp_path: Path) -> None:
    write_filtered(tmp_path, [[document("same\n" * 9) for _ in range(2000)]])
    dedup = signed(tmp_path, Limits())
    linked = SpanningForests(dedup, tuple(range(26))).link_in_part(dedup.parts()[0], 2000)
    *hashes, forest = list(linked)
    shuffled = [output for output in hashes if isinstance(output, tuple)]
    assert [(key, len(packed)) for key, packed in shuffled] == [((k, 0), 16) for k in range(26)]
    assert isinstance(forest, beam.pvalue.TaggedOutput)
    edges = np.load(dedup.url(forest.value))
    assert edges.tolist() == [[0, row] for row in range(1, 2000)]


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
