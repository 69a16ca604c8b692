"""Exact Jaccard similarity of near-duplicates and the documents that are kept instead of them.

It is computed for `verify = "exact"`. The shuffle moves row numbers only. Each part writes the
shingle sets that are needed of its documents, then reads the sets of the kept documents one at a
time, so memory does not grow with the number of pairs. The text of a document of a previous corpus
may be missing, so pairs with it keep the similarity that signatures estimate.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import groupby

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from filters.dedup.minhash_kernels import jaccard
from filters.dedup.union_find import parts_and_rows
from manifests.io import files
from manifests.lineage.parts_table import DedupPart, read_parts
from pipelines.dedup.deduplication import EXACT, DedupTransform
from pipelines.dedup.exact_threshold import THRESHOLD
from pipelines.dedup.rank_clusters import ClusterRange, read_duplicates
from pipelines.dedup.shingle_sets import ShingleSets, write_shingle_sets

SIMILARITIES = pa.schema(
    [
        pa.field("address", pa.uint64(), nullable=False),  # ascending
        pa.field("similarity", pa.float32(), nullable=False),  # to the document that is kept
    ]
)
"""Columns of exact/NAME/PART.parquet: near-duplicates of documents of this corpus."""


class ExactJaccard(DedupTransform):
    """Compare near-duplicates: ranges of ranked clusters in, URLs of exact similarities out."""

    def expand(self, ranges: beam.PCollection) -> beam.PCollection:
        """Return the URLs of the similarities, one for each part with near-duplicates."""
        paths = beam.pvalue.AsList(ranges | "Todo" >> beam.FlatMap(self.todo))
        return (
            ranges
            | "Ranges" >> beam.combiners.ToList()
            | "Parts" >> beam.FlatMap(lambda _: self._part_names())
            | "Spread" >> beam.Reshuffle()
            | "RequestSets" >> beam.FlatMap(self.request_sets, paths)
            | "ByPart" >> beam.GroupByKey()
            | "WriteSets" >> beam.FlatMapTuple(self.write_sets)
            | "BySets" >> beam.GroupByKey()
            | "Compare" >> beam.Map(self.compare, paths)
        )

    def todo(self, clusters: ClusterRange) -> Iterator[str]:
        """Yield the path of a range of clusters whose similarities are still needed."""
        if not self.dedup.done(THRESHOLD, clusters.low):
            yield clusters.path(self.dedup)

    def request_sets(self, part: int, paths: list[str]) -> Iterator[tuple[int, tuple[int, bytes]]]:
        """Yield (owner, (part, rows)): `part` needs the sets of these rows of the part `owner`.

        Args:
            part: number of a part.
            paths: duplicates of clusters, relative to dedup/.
        """
        near = self._near_duplicates(part, paths)
        parts, rows = parts_and_rows(
            np.concatenate([near["address"].to_numpy(), near["kept"].to_numpy()])
        )
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
        documents = files.join(self.dedup.documents, f"{self._part_names()[owner]}.parquet")
        write_shingle_sets(self._url(f"{owner}"), documents, rows, self.dedup.profile)
        for part in parts:
            yield part, owner

    def compare(self, sets: tuple[int, Iterable[int]], paths: list[str]) -> str:
        """Write the similarity of each near-duplicate of a part to the document that is kept.

        Args:
            sets: number of a part, and numbers of the parts that have written sets for it.
            paths: duplicates of clusters, relative to dedup/.

        Returns:
            The URL of the similarities.
        """
        part, owners = sets
        near = self._near_duplicates(part, paths)
        _, rows = parts_and_rows(near["address"].to_numpy())
        kept_parts, kept_rows = parts_and_rows(near["kept"].to_numpy())
        similarity = np.empty(len(rows), np.float32)
        with closing(ShingleSets(self._url(f"{part}"))) as own:
            for owner in sorted(owners):
                with closing(ShingleSets(self._url(f"{owner}"))) as kept:
                    pairs = np.flatnonzero(kept_parts == owner)
                    order = pairs[np.argsort(kept_rows[pairs])]
                    for row, same in groupby(order.tolist(), key=kept_rows.__getitem__):
                        kept_set = kept.read(int(row))
                        for pair in same:
                            similarity[pair] = jaccard(own.read(int(rows[pair])), kept_set)
        url = self._url(f"{part}.parquet")
        with files.replacing(url) as output:
            table = pa.table([near["address"], similarity], schema=SIMILARITIES)
            pq.write_table(table, output, compression="zstd")
        return url

    def _near_duplicates(self, part: int, paths: list[str]) -> pa.Table:
        """Return the duplicates of a part by rule minhash, with the columns REMOVED."""
        duplicates = read_duplicates(self.dedup, paths, part)
        return duplicates.filter(pc.equal(duplicates["rule"], "minhash")).combine_chunks()

    def _part_names(self) -> dict[int, str]:
        """Return number -> name of the parts of this corpus."""
        return {row.part: row.name for row in read_parts(self.dedup.directory, DedupPart)}

    def _url(self, name: str) -> str:
        """Return the URL of a file of exact/NAME/."""
        return self.dedup.url(self.dedup.path(EXACT, name))
