"""Clusters: merge spanning forests with union-find and keep one document of each cluster."""

from collections.abc import Iterator
from itertools import starmap

import apache_beam as beam
import numpy as np

from filters.dedup.union_find import U32, UNCLUSTERED, Union, parts_and_rows
from manifests.errors import DataError
from manifests.io import files
from manifests.lineage.receipts import Receipt, sum_counts
from manifests.ranges import ranges_within
from pipelines.dedup.deduplication import CLUSTERS, Deduplication, DedupTransform
from pipelines.dedup.exact_jaccard import ExactJaccard
from pipelines.dedup.exact_threshold import THRESHOLD, ApplyExactThreshold
from pipelines.dedup.rank_clusters import RANKED, ClusterRange, RankClusters
from pipelines.dedup.spanning_forests import FORESTS, SpanningForests
from pipelines.runtime import progress, runners
from pipelines.runtime.runners import Runner, Work

LABELS = "labels"
"""File with the cluster of each document, and name of the task that writes it."""


class FindClusters(DedupTransform):
    """Cluster documents and select duplicates: paths of forests in, the receipt of all out."""

    def expand(self, forests: beam.PCollection) -> beam.PCollection:
        """Return one element, the receipt that names the files of duplicates."""
        ranges = (
            forests
            | "Forests" >> beam.combiners.ToList()
            | "Union" >> beam.FlatMap(self.label_documents)
        )
        ranked = ranges | "Rank" >> RankClusters(self.dedup, self.dedup.path(CLUSTERS, LABELS))
        ranges = ranges | "AfterRanking" >> beam.WaitOn(ranked)
        if self.dedup.exact:
            similarities = ranges | "ExactJaccard" >> ExactJaccard(self.dedup)
            ranges = (ranges, similarities) | "ExactThreshold" >> ApplyExactThreshold(self.dedup)
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
        tasks = [RANKED, THRESHOLD] if self.dedup.exact else [RANKED]
        lows = sorted({clusters.low for clusters in ranges})
        receipts = [self.dedup.require(task, low) for task in tasks for low in lows]
        # The sizes and files of the last task hold.
        last = receipts[len(receipts) - len(lows) :]
        counts = {
            "cluster_sizes": sum_counts(last, "cluster_sizes"),
            "verified": sum_counts(receipts, "verified"),
        }
        paths = [path for receipt in last for path in receipt.files]
        return self.dedup.save(CLUSTERS, paths=paths, counts=counts)


def cluster_ranges(sizes: U32, documents: int) -> list[ClusterRange]:
    """Cut clusters of some sizes, uint32 [c], into ranges of at most `documents` documents.

    A cluster of more documents is a range of its own.
    """
    ends = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    return list(starmap(ClusterRange, ranges_within(ends, documents)))


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
            for columns in rounds:
                _link(dedup, runner, parts, columns)
            runners.run(
                runner,
                Work(CLUSTERS, dedup.directory, max(1, parts)),
                lambda pipeline: (
                    pipeline
                    | "Rounds" >> beam.Create([rounds])
                    | "Forests" >> beam.FlatMap(_forests, dedup)
                    | "Clusters" >> FindClusters(dedup)
                ),
            )
        receipt = dedup.require(CLUSTERS)
    return receipt


def _forests(rounds: list[tuple[int, ...]], dedup: Deduplication) -> Iterator[str]:
    """Yield the paths of the forests of all columns."""
    for columns in rounds:
        yield from dedup.require(FORESTS, columns).files


def columns_of_rounds(dedup: Deduplication, in_process: bool) -> list[tuple[int, ...]]:
    """Return the columns of hashes that each pipeline shuffles."""
    columns = tuple(range(1 + dedup.profile.banding[0]))
    if not in_process:
        return [columns]
    documents = sum(part.documents for part in dedup.parts())
    limits = dedup.limits
    count = max(limits.min_columns, limits.hashes_per_round // max(1, documents))
    return [columns[start : start + count] for start in range(0, len(columns), count)]


def _link(dedup: Deduplication, runner: Runner, parts: int, columns: tuple[int, ...]) -> None:
    """Run SpanningForests on some columns unless that is done.

    The forests are not removed here: another run of the same command may be reading them.
    """
    if dedup.done(FORESTS, columns) is None:
        runners.run(
            runner,
            Work(FORESTS, dedup.directory, max(1, parts)),
            lambda pipeline: (
                pipeline
                | "Deduplication" >> beam.Create([dedup])
                | "Parts" >> beam.FlatMap(Deduplication.parts)
                | "Spread" >> beam.Reshuffle()
                | "SpanningForests" >> SpanningForests(dedup, columns)
                | "Paths" >> beam.combiners.ToList()
                | "Receipt" >> beam.Map(_save_forests, dedup, columns)
            ),
        )
        dedup.require(FORESTS, columns)


def _save_forests(paths: list[str], dedup: Deduplication, columns: tuple[int, ...]) -> None:
    """Write the receipt of the forests of some columns."""
    dedup.save(FORESTS, columns, paths=sorted(set(paths)))
