"""Clusters: merge spanning forests with union-find and keep one document of each cluster."""

from collections import Counter
from collections.abc import Iterator

import apache_beam as beam
import numpy as np

from filters.dedup.union_find import U32, UNCLUSTERED, Union, parts_and_rows
from manifests.errors import DataError
from manifests.io import files
from manifests.lineage.receipts import Receipt
from pipelines.dedup.deduplication import CLUSTERS, Counts, Deduplication
from pipelines.dedup.exact_jaccard import ExactJaccard
from pipelines.dedup.exact_threshold import THRESHOLD, ApplyExactThreshold
from pipelines.dedup.rank_clusters import RANKED, ClusterRange, RankClusters
from pipelines.dedup.spanning_forests import FORESTS, SpanningForests
from pipelines.runtime import progress, runners
from pipelines.runtime.runners import Runner

LABELS = "labels"
"""File with the cluster of each document, and name of the task that writes it."""


class FindClusters(beam.PTransform):
    """Cluster documents and select duplicates: paths of forests in, the receipt of all out."""

    def __init__(self, dedup: Deduplication) -> None:
        """Cluster the documents of `dedup`."""
        super().__init__()
        self.dedup = dedup

    def expand(self, forests: beam.PCollection) -> beam.PCollection:
        """Return one element, the receipt that names the files of duplicates."""
        ranges = (
            forests
            | "Forests" >> beam.combiners.ToList()
            | "Union" >> beam.FlatMap(self.label_documents)
            | "Rank" >> RankClusters(self.dedup, self.dedup.path(CLUSTERS, LABELS))
        )
        if self.dedup.exact:
            compared = ranges | "ExactJaccard" >> ExactJaccard(self.dedup)
            ranges = (
                ranges
                | "AfterExactJaccard" >> beam.WaitOn(compared)
                | "ExactThreshold" >> ApplyExactThreshold(self.dedup)
            )
        return ranges | "Ranges" >> beam.combiners.ToList() | "Receipt" >> beam.Map(self.finish)

    def label_documents(self, forests: list[str]) -> Iterator[ClusterRange]:
        """Merge all forests, write the cluster of each document, and yield ranges of clusters.

        Args:
            forests: paths of all forests, relative to dedup/.

        Raises:
            DataError: there are 2^32 - 1 documents or more.
        """
        receipt = self.dedup.done(LABELS)
        if receipt is None:
            union = self._merge(forests)
            labels, sizes = union.clusters()
            path = self.dedup.path(CLUSTERS, LABELS)
            with files.replacing(self.dedup.url(path)) as output:
                output.write(labels.data)
            ranges = cluster_ranges(sizes, self.dedup.limits.documents_per_task)
            receipt = self.dedup.save(LABELS, paths=[path], extra={"ranges": ranges})
        for low, high in receipt.extra["ranges"]:
            yield ClusterRange(low, high)

    def _merge(self, forests: list[str]) -> Union:
        """Merge forests into the clusters of all documents, numbered part after part."""
        parts = self.dedup.parts()
        starts = np.cumsum([0, *(part.documents for part in parts)])
        if starts[-1] >= int(UNCLUSTERED):
            raise DataError(f"{starts[-1]:,} documents are more than one deduplication can number")
        numbers = np.array([part.part for part in parts], np.uint32)
        union = Union(int(starts[-1]))
        for path in forests:
            with files.open_input(self.dedup.url(path)) as source:
                edges = np.load(source, allow_pickle=False)
            part, row = parts_and_rows(edges)
            union.link(starts[np.searchsorted(numbers, part)] + row)
        return union

    def finish(self, ranges: list[ClusterRange]) -> Receipt:
        """Write the receipt of all clusters: the files of duplicates, and their counts."""
        counts: dict[str, Counter[str]] = {"cluster_sizes": Counter(), "verified": Counter()}
        tasks = [RANKED, THRESHOLD] if self.dedup.exact else [RANKED]
        for task in tasks:
            # The sizes and files of the last task hold.
            counts["cluster_sizes"].clear()
            paths: list[str] = []
            for clusters in sorted(ranges):
                receipt = self.dedup.done(task, clusters.low)
                assert receipt is not None
                paths += receipt.files
                for name, numbers in receipt.counts.items():
                    assert isinstance(numbers, dict)
                    counts[name].update(numbers)
        sizes = sorted(counts["cluster_sizes"].items(), key=lambda item: int(item[0]))
        total: Counts = {"cluster_sizes": dict(sizes), "verified": dict(counts["verified"])}
        return self.dedup.save(CLUSTERS, paths=paths, counts=total)


def cluster_ranges(sizes: U32, documents: int) -> list[ClusterRange]:
    """Cut clusters of some sizes, uint32 [c], into ranges of at most `documents` documents.

    A cluster of more documents is a range of its own.
    """
    ends = np.cumsum(sizes, dtype=np.int64)
    ranges, low = [], 0
    while low < len(sizes):
        before = ends[low - 1] if low else 0
        high = max(low + 1, int(np.searchsorted(ends, before + documents, side="right")))
        ranges.append(ClusterRange(low, high))
        low = high
    return ranges


def find_clusters(dedup: Deduplication, runner: Runner) -> Receipt:
    """Run SpanningForests and FindClusters on an engine, unless that is done.

    The in-process engine holds all shuffled data in memory, so each of its pipelines shuffles a
    few columns of hashes. Other engines shuffle all columns in one pipeline.

    Returns:
        The receipt of FindClusters.
    """
    receipt = dedup.done(CLUSTERS)
    if receipt is None:
        rounds = columns_of_rounds(dedup, runner.in_process)
        parts = len(dedup.parts())
        with progress.parts(dedup.directory, CLUSTERS, len(rounds) + 2, 0):
            forests = [path for columns in rounds for path in _link(dedup, runner, parts, columns)]
            runners.run(
                runner,
                max(1, parts),
                lambda pipeline: (
                    pipeline | "Forests" >> beam.Create(forests) | "Clusters" >> FindClusters(dedup)
                ),
            )
        receipt = dedup.done(CLUSTERS)
    assert receipt is not None
    return receipt


def columns_of_rounds(dedup: Deduplication, in_process: bool) -> list[tuple[int, ...]]:
    """Return the columns of hashes that each pipeline shuffles."""
    columns = tuple(range(1 + dedup.profile.banding[0]))
    if not in_process:
        return [columns]
    documents = sum(part.documents for part in dedup.parts())
    limits = dedup.limits
    count = max(limits.min_columns, limits.hashes_per_round // max(1, documents))
    return [columns[start : start + count] for start in range(0, len(columns), count)]


def _link(dedup: Deduplication, runner: Runner, parts: int, columns: tuple[int, ...]) -> list[str]:
    """Run SpanningForests on some columns unless that is done; return the paths of the forests.

    The forests are not removed here: another run of the same command may be reading them.
    """
    receipt = dedup.done(FORESTS, columns)
    if receipt is None:
        if parts:
            runners.run(
                runner,
                parts,
                lambda pipeline: (
                    pipeline
                    | "Deduplication" >> beam.Create([dedup])
                    | "Parts" >> beam.FlatMap(Deduplication.parts)
                    | "Spread" >> beam.Reshuffle()
                    | "SpanningForests" >> SpanningForests(dedup, columns)
                ),
            )
        folder = dedup.path(CLUSTERS, FORESTS)
        names = files.list_names(dedup.url(folder))
        paths = [f"{folder}/{name}" for name in names if name.startswith(f"{columns[0]}-")]
        receipt = dedup.save(FORESTS, columns, paths=paths)
    return list(receipt.files)
