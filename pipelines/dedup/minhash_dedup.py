"""Near-duplicate removal as one Beam transform, for pipelines of any engine."""

import apache_beam as beam

from pipelines.dedup.clusters import FindClusters
from pipelines.dedup.deduplication import Deduplication, DedupTransform
from pipelines.dedup.duplicates import ListDuplicates
from pipelines.dedup.parts import DocumentsPart, write_tables
from pipelines.dedup.removed_documents import AddRemoved
from pipelines.dedup.signatures import ComputeSignatures
from pipelines.dedup.spanning_forests import SpanningForests
from pipelines.runtime.job import ProcessParts


class MinHashDedup(DedupTransform):
    """Find near-duplicates: rows of license_filter/parts.parquet in, receipts of duplicates/ out.

    The files are those of `stackpile dedup`, which runs the same steps as several pipelines.
    """

    def expand(self, rows: beam.PCollection) -> beam.PCollection:
        """Return the receipts of duplicates/."""
        columns = tuple(range(1 + self.dedup.profile.banding[0]))
        signatures = rows | "Signatures" >> ProcessParts(ComputeSignatures(self.dedup))
        clusters = (
            rows
            | "Rows" >> beam.combiners.ToList()
            | "AfterSignatures" >> beam.WaitOn(signatures)
            | "PartsTables" >> beam.Map(self.write_tables)
            | "Parts" >> beam.FlatMap(Deduplication.parts)
            | "Spread" >> beam.Reshuffle()
            | "SpanningForests" >> SpanningForests(self.dedup, columns)
            | "Clusters" >> FindClusters(self.dedup)
        )
        return (
            (rows, clusters)
            | "Removed" >> AddRemoved(self.dedup)
            | "Duplicates" >> ProcessParts(ListDuplicates(self.dedup))
        )

    def write_tables(self, rows: list[DocumentsPart]) -> Deduplication:
        """Write the tables of parts, and return the settings by which they are read."""
        write_tables(self.dedup.directory, rows, self.dedup.config)
        return self.dedup
