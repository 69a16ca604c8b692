"""Exact Jaccard similarity of near-duplicates and the documents that are kept instead of them.

It is computed for `verify = "exact"`. The shuffles move addresses only. Each part writes the
shingle sets that are needed of its documents, then reads the sets of the kept documents one at a
time, so memory does not grow with the number of pairs. The text of a document of a previous corpus
may be missing, so pairs with it keep the similarity that signatures estimate.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import cached_property
from itertools import groupby
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from filters.dedup.minhash_kernels import jaccard
from filters.dedup.union_find import U64, parts_and_rows
from manifests.io import files
from manifests.io.parquet import read_table
from manifests.lineage.parts_table import DedupPart, read_parts
from pipelines.dedup.deduplication import EXACT, DedupTransform
from pipelines.dedup.exact_threshold import SIMILARITY, THRESHOLD
from pipelines.dedup.rank_clusters import ClusterRange, by_part, ranked_path
from pipelines.dedup.shingle_sets import ShingleSets, write_shingle_sets

Near = tuple[int, bytes]
"""Lowest cluster of a range, and packed pairs of uint64: a near-duplicate and the kept document."""


class ExactJaccard(DedupTransform):
    """Compare near-duplicates: ranges of ranked clusters in, (lowest cluster, similarities) out."""

    def expand(self, ranges: beam.PCollection) -> beam.PCollection:
        """Return packed rows of SIMILARITY by range: one value for each part with near-duplicates.

        A range whose exact threshold was applied before has none.
        """
        read = beam.FlatMap(self.near_duplicates).with_output_types(tuple[int, Near])
        near = ranges | "Spread" >> beam.Reshuffle() | "NearDuplicates" >> read
        sets = (
            near
            | "ByPart" >> beam.GroupByKey()
            | "RequestSets" >> beam.FlatMapTuple(self.request_sets)
            | "ByOwner" >> beam.GroupByKey()
            | "WriteSets" >> beam.FlatMapTuple(self.write_sets)
        )
        compare = beam.FlatMapTuple(self.compare).with_output_types(tuple[int, bytes])
        return (
            {"near": near, "owners": sets}
            | "WithSets" >> beam.CoGroupByKey()
            | "Compare" >> compare
        )

    def near_duplicates(self, clusters: ClusterRange) -> Iterator[tuple[int, Near]]:
        """Yield the near-duplicates of a range by part, unless its threshold was applied."""
        if not self.dedup.done(THRESHOLD, clusters.low):
            columns = ["address", "kept", "rule"]
            table = read_table(self.dedup.url(ranked_path(self.dedup, clusters.low)), columns)
            near = table.filter(pc.equal(table["rule"], "minhash")).combine_chunks()
            for part, some in by_part(near):
                pairs = [some["address"].to_numpy(), some["kept"].to_numpy()]
                yield part, (clusters.low, np.column_stack(pairs).tobytes())

    def request_sets(
        self, part: int, near: Iterable[Near]
    ) -> Iterator[tuple[int, tuple[int, bytes]]]:
        """Yield (owner, (part, rows)): `part` needs the sets of these rows of the part `owner`."""
        pairs = np.frombuffer(b"".join(packed for _, packed in near), np.uint64)
        parts, rows = parts_and_rows(pairs)
        for owner in np.unique(parts):
            needed = np.unique(rows[parts == owner]).astype(np.int64)
            yield int(owner), (part, needed.tobytes())

    def write_sets(
        self, owner: int, requests: Iterable[tuple[int, bytes]]
    ) -> Iterator[tuple[int, int]]:
        """Write the requested sets of a part, and yield (part, owner) for each request."""
        rows, parts = np.empty(0, np.int64), []
        for part, needed in requests:
            rows = np.union1d(rows, np.frombuffer(needed, np.int64))
            parts.append(part)
        documents = files.join(self.dedup.documents, f"{self._part_names[owner]}.parquet")
        write_shingle_sets(self._url(f"{owner}"), documents, rows, self.dedup.profile)
        for part in parts:
            yield part, owner

    def compare(self, part: int, groups: dict[str, Iterable[Any]]) -> Iterator[tuple[int, bytes]]:
        """Yield the similarity of each near-duplicate of a part to the document that is kept.

        Args:
            part: number of a part.
            groups: "near", the near-duplicates by range, and "owners", the numbers of the parts
                that have written sets for the part.
        """
        near: list[Near] = sorted(groups["near"])
        pairs = np.frombuffer(b"".join(packed for _, packed in near), np.uint64).reshape(-1, 2)
        rows = np.empty(len(pairs), SIMILARITY)
        rows["address"] = pairs[:, 0]
        rows["similarity"] = self._similarity(part, pairs, sorted(groups["owners"]))
        ends = np.cumsum([len(packed) // 16 for _, packed in near])
        for (low, _), some in zip(near, np.split(rows, ends[:-1]), strict=True):
            yield low, some.tobytes()

    def _similarity(self, part: int, pairs: U64, owners: list[int]) -> npt.NDArray[np.float32]:
        """Return the similarity of the documents of each pair, whose sets are written."""
        _, own_rows = parts_and_rows(pairs[:, 0])
        kept_parts, kept_rows = parts_and_rows(pairs[:, 1])
        similarity = np.empty(len(pairs), np.float32)
        with closing(ShingleSets(self._url(f"{part}"))) as own:
            for owner in owners:
                with closing(ShingleSets(self._url(f"{owner}"))) as kept:
                    of_owner = np.flatnonzero(kept_parts == owner)
                    order = of_owner[np.argsort(kept_rows[of_owner])]
                    for row, same in groupby(order.tolist(), key=kept_rows.__getitem__):
                        kept_set = kept.read(int(row))
                        for pair in same:
                            similarity[pair] = jaccard(own.read(int(own_rows[pair])), kept_set)
        return similarity

    @cached_property
    def _part_names(self) -> dict[int, str]:
        """Return number -> name of the parts of this corpus."""
        return {row.part: row.name for row in read_parts(self.dedup.directory, DedupPart)}

    def _url(self, name: str) -> str:
        """Return the URL of a file of exact/NAME/."""
        return self.dedup.url(self.dedup.path(EXACT, name))
