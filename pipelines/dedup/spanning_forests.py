"""Spanning forests: links between documents that share a hash, as files of edges.

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
        link = beam.FlatMap(self.link_in_part, beam.pvalue.AsSingleton(total))
        typed = link.with_output_types(tuple[Key, bytes], forests=str)
        linked = parts | "LinkInParts" >> typed.with_outputs(FORESTS, main="hashes")
        across = (
            linked.hashes
            | "ByRange" >> beam.GroupByKey()
            | "LinkAcrossParts" >> beam.FlatMapTuple(self.link_across_parts)
        )
        return (linked[FORESTS], across) | "Paths" >> beam.Flatten()

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
        for path in self._write(f"part-{part.part}", linked):
            yield beam.pvalue.TaggedOutput(FORESTS, path)

    def link_across_parts(self, key: Key, values: Iterable[bytes]) -> Iterator[str]:
        """Link the addresses of one column and range that share a hash."""
        pairs = np.concatenate([np.frombuffer(value, np.uint64).reshape(-1, 2) for value in values])
        edges = union_find.forest(pairs[:, 0], pairs[:, 1])
        yield from self._write(f"column-{key[0]}-{key[1]}", edges)

    def _cuts(self, hashes: U64, documents: int) -> Indexes:
        """Return the start of each range but the first in ascending hashes."""
        ranges = 1 + documents // self.dedup.limits.hashes_per_range
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

    def _write(self, name: str, edges: U64) -> Iterator[str]:
        """Write a forest and yield its path; write and yield nothing without edges."""
        if len(edges):
            path = self.dedup.path(CLUSTERS, FORESTS, f"{self.columns[0]}-{name}.npy")
            with files.replacing(self.dedup.url(path)) as output:
                np.save(output, edges, allow_pickle=False)
            yield path


def _hashes(table: pa.Table, column: int) -> U64:
    """Return a column of hashes of all rows: uint64 [n]."""
    if column:
        return np.asarray(table[band_column(column - 1)].to_numpy(), np.uint64)
    return as_uint64(table["normalized"])[:, 0]
