"""Spanning forests: links between documents that share a hash, as files of edges.

The edges of all parts and columns are shuffled by their first document and merged, so a pair of
documents that shares many bands is one edge in the files.

Column 0 is the hash of the normalized text of every document. Column k is the hash of band k - 1 of
the documents that have a signature.
"""

from collections.abc import Iterable, Iterator

import apache_beam as beam
import numpy as np
import pyarrow as pa

from filters.dedup import union_find
from filters.dedup.union_find import U64, Indexes
from filters.document_ids import as_uint64
from manifests.io import files
from pipelines.dedup.deduplication import CLUSTERS, Deduplication, DedupTransform
from pipelines.dedup.parts import SignedPart
from pipelines.dedup.signatures import band_column

FORESTS = "forests"

EDGES = "edges"
"""Tag of the edges within parts."""

BUCKETS = 4
"""Files of edges for each range of hashes (ours: the edges of all 26 columns in one bucket of
1 million documents are at most 416 MB, usually a tenth of that)."""

MIX = np.uint64(0x9E3779B97F4A7C15)
"""Odd multiplier that spreads addresses over the buckets (2^64 / golden ratio, Knuth)."""

Key = tuple[int, int]
"""A column, and a range of its hashes."""


class SpanningForests(DedupTransform):
    """Link the documents that share a hash in some columns: parts in, paths of forests out.

    Equal hashes of a part are linked before the shuffle, so each part shuffles a hash only once: 16
    bytes, even if a million documents of the part have it.
    """

    def __init__(self, dedup: Deduplication, columns: tuple[int, ...]) -> None:
        """Link by the hashes of `columns`."""
        super().__init__(dedup)
        self.columns = columns

    def expand(self, parts: beam.PCollection) -> beam.PCollection:
        """Return the paths of the forests, relative to dedup/."""
        documents = parts | "Documents" >> beam.Map(lambda part: part.documents)
        total = documents | "Total" >> beam.CombineGlobally(sum)
        documents = beam.pvalue.AsSingleton(total)
        link = beam.FlatMap(self.link_in_part, documents)
        typed = link.with_output_types(tuple[Key, bytes], edges=tuple[int, bytes])
        linked = parts | "LinkInParts" >> typed.with_outputs(EDGES, main="hashes")
        link_across = beam.FlatMap(self.link_across_parts, documents)
        across = (
            linked.hashes
            | "ByRange" >> beam.GroupByKey()
            | "LinkAcrossParts" >> link_across.with_output_types(tuple[int, bytes])
        )
        return (
            (linked[EDGES], across)
            | "Edges" >> beam.Flatten()
            | "ByBucket" >> beam.GroupByKey()
            | "Merge" >> beam.MapTuple(self.merge)
        )

    def link_in_part(
        self, part: SignedPart, documents: int
    ) -> Iterator[tuple[Key, bytes] | beam.pvalue.TaggedOutput]:
        """Link the documents of a part that share a hash, and yield the distinct hashes by range.

        Args:
            part: a part.
            documents: number of documents of all parts.
        """
        linked = np.empty((0, 2), np.uint64)
        for column, hashes, rows in self._read(part):
            addresses = union_find.addresses(part.part, rows)
            distinct, first, edges = union_find.link_equal(hashes, addresses)
            # Merged column by column: copies would otherwise have an edge for each of their bands.
            linked = union_find.spanning(np.concatenate([linked, edges])) if len(edges) else linked
            packed = np.column_stack([distinct, first])
            cuts = self._cuts(distinct, documents)
            for number, pairs in enumerate(np.split(packed, cuts)):
                if len(pairs):
                    yield (column, number), pairs.tobytes()
        for keyed in self._by_bucket(linked, documents):
            yield beam.pvalue.TaggedOutput(EDGES, keyed)

    def link_across_parts(
        self, hashes: tuple[Key, Iterable[bytes]], documents: int
    ) -> Iterator[tuple[int, bytes]]:
        """Link the addresses of one column and range that share a hash."""
        pairs = _pairs(hashes[1])
        yield from self._by_bucket(union_find.forest(pairs[:, 0], pairs[:, 1]), documents)

    def merge(self, bucket: int, values: Iterable[bytes]) -> str:
        """Write the forest of the edges of a bucket, and return its path relative to dedup/."""
        path = self.dedup.path(CLUSTERS, FORESTS, f"{self.columns[0]}-{bucket}.npy")
        with files.replacing(self.dedup.url(path)) as output:
            np.save(output, union_find.spanning(_pairs(values)), allow_pickle=False)
        return path

    def _by_bucket(self, edges: U64, documents: int) -> Iterator[tuple[int, bytes]]:
        """Yield edges by bucket: equal first documents have the same bucket."""
        if not len(edges):
            return
        buckets = BUCKETS * self._ranges(documents)
        mixed = (edges[:, 0] * MIX) >> np.uint64(40)
        bucket = (mixed % np.uint64(buckets)).astype(np.int64)
        order = np.argsort(bucket, kind="stable")
        numbers, starts = np.unique(bucket[order], return_index=True)
        for number, some in zip(numbers, np.split(edges[order], starts[1:]), strict=True):
            yield int(number), some.tobytes()

    def _ranges(self, documents: int) -> int:
        """Return the number of ranges of the hashes of a column."""
        return 1 + documents // self.dedup.limits.hashes_per_range

    def _cuts(self, hashes: U64, documents: int) -> Indexes:
        """Return the start of each range but the first in ascending hashes."""
        ranges = self._ranges(documents)
        starts = [(number << 64) // ranges for number in range(1, ranges)]
        return np.searchsorted(hashes, np.array(starts, np.uint64))

    def _read(self, part: SignedPart) -> Iterator[tuple[int, U64, Indexes]]:
        """Yield the hashes of each column, and the row of each hash."""
        bands = [band_column(column - 1) for column in self.columns if column]
        text = ["normalized"] if 0 in self.columns else []
        table = part.read(["scope", "has_signature", *text, *bands])
        kept = np.ones(table.num_rows, bool)
        kept[part.removed_rows()] = False
        signed = kept & table["has_signature"].to_numpy(zero_copy_only=False)
        scopes = table["scope"].to_numpy()
        for column in self.columns:
            rows = np.flatnonzero(signed if column else kept)
            yield column, (_hashes(table, column) ^ scopes)[rows], rows


def _pairs(values: Iterable[bytes]) -> U64:
    """Return packed pairs of uint64 as [n, 2]."""
    return np.frombuffer(b"".join(values), np.uint64).reshape(-1, 2)


def _hashes(table: pa.Table, column: int) -> U64:
    """Return a column of hashes of all rows: uint64 [n]."""
    if column:
        return np.asarray(table[band_column(column - 1)].to_numpy(), np.uint64)
    return as_uint64(table["normalized"])[:, 0]
