"""The removed documents of each part: read once by range of clusters, shuffled to their parts."""

from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc

from manifests.io.parquet import read_table
from pipelines.dedup.deduplication import CLUSTERS, Deduplication, DedupTransform
from pipelines.dedup.packed_rows import pack
from pipelines.dedup.parts import DocumentsPart
from pipelines.dedup.rank_clusters import by_part
from pipelines.runtime.job import ReadParts

RULES = ("previous_corpus", "exact", "normalized", "minhash")
"""Rules by which a document is a duplicate; a removed document names one by its index."""

MOVED = pa.schema(
    [
        pa.field("address", pa.uint64()),
        pa.field("kept", pa.uint64()),
        pa.field("kept_id", pa.binary(16)),
        pa.field("size", pa.uint32()),
        pa.field("similarity", pa.float32()),
        pa.field("rule", pa.uint8()),  # index in RULES
    ]
)
"""Columns of removed documents that are shuffled to their parts."""


class RemovedPart(DocumentsPart):
    """A row of license_filter/parts.parquet and the removed documents of the part."""

    removed: bytes
    """Packed rows of MOVED, in any order."""


class AddRemoved(DedupTransform):
    """Add the removed documents to the rows of parts: (rows, receipt of FindClusters) in, rows out.

    Each file of removed documents is read once.
    """

    def expand(self, inputs: tuple[beam.PCollection, beam.PCollection]) -> beam.PCollection:
        """Return rows with the fields of RemovedPart."""
        rows, clusters = inputs
        removed = (
            clusters
            | "Files" >> beam.FlatMap(lambda receipt: sorted(receipt.files))
            | "Spread" >> beam.Reshuffle()
            | "Removed" >> beam.FlatMap(self.read).with_output_types(tuple[int, bytes])
        )
        return (
            {
                "rows": rows | "ByPart" >> beam.Map(lambda row: (row["part"], row)),
                "removed": removed,
            }
            | "WithRemoved" >> beam.CoGroupByKey()
            | "Add" >> beam.FlatMapTuple(_add_removed)
        )

    def read(self, path: str) -> Iterator[tuple[int, bytes]]:
        """Yield the removed documents of a file by part."""
        table = read_table(self.dedup.url(path), MOVED.names)
        rules = pc.index_in(table["rule"], pa.array(RULES)).cast(pa.uint8())
        table = table.set_column(MOVED.get_field_index("rule"), "rule", rules).cast(MOVED)
        for part, removed in by_part(table):
            yield part, pack(removed)


def _add_removed(_: int, groups: dict[str, Iterable[Any]]) -> Iterator[RemovedPart]:
    part: DocumentsPart
    for part in groups["rows"]:
        yield RemovedPart(**part, removed=b"".join(groups["removed"]))


class ReadRemoved(DedupTransform):
    """Read the rows of a table of parts, and the removed documents of each part."""

    def __init__(self, dedup: Deduplication, table: str) -> None:
        """Read the Parquet file at `table` and the finished clusters of `dedup`."""
        super().__init__(dedup)
        self.table = table

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """Return rows with the fields of RemovedPart."""
        rows = begin | "Parts" >> ReadParts(self.table)
        dedup = begin | "Deduplication" >> beam.Create([self.dedup])
        clusters = dedup | "Clusters" >> beam.Map(lambda dedup: dedup.require(CLUSTERS))
        return (rows, clusters) | AddRemoved(self.dedup)
