"""Keep the documents whose exact Jaccard similarity is below the threshold of the profile."""

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from filters.dedup.union_find import U64, parts_and_rows
from manifests.io import files
from manifests.io.parquet import read_table
from pipelines.dedup.deduplication import EXACT, DedupTransform
from pipelines.dedup.rank_clusters import ClusterRange, histogram, write_duplicates

THRESHOLD = "exact_threshold"
"""Name of the task that applies the threshold to a range of clusters."""

Similarity = npt.NDArray[np.float32]


class ApplyExactThreshold(DedupTransform):
    """Write the duplicates that remain: ranges of ranked clusters in, the same ranges out."""

    def expand(self, ranges: beam.PCollection) -> beam.PCollection:
        """Return the ranges that are done."""
        return ranges | "Spread" >> beam.Reshuffle() | "Apply" >> beam.Map(self.apply)

    def apply(self, clusters: ClusterRange) -> ClusterRange:
        """Apply the threshold to a range of clusters unless that is done."""
        if not self.dedup.done(THRESHOLD, clusters.low):
            duplicates = read_table(self.dedup.url(clusters.path(self.dedup))).combine_chunks()
            similarity = self._exact_similarity(duplicates)
            remaining = apply_threshold(duplicates, similarity, self.dedup.profile.threshold)
            path = clusters.path(self.dedup, THRESHOLD)
            write_duplicates(self.dedup.url(path), remaining)
            _, removed = np.unique(remaining["kept"].to_numpy(), return_counts=True)
            kept_apart = {"kept_apart": duplicates.num_rows - remaining.num_rows}
            counts = {"cluster_sizes": histogram(removed + 1), "verified": kept_apart}
            self.dedup.save(THRESHOLD, clusters.low, paths=[path], counts=counts)
        return clusters

    def _exact_similarity(self, duplicates: pa.Table) -> Similarity:
        """Return the exact similarities, and the estimates where there is no exact one."""
        similarity = duplicates["similarity"].to_numpy().copy()
        addresses = duplicates["address"].to_numpy()
        parts, _ = parts_and_rows(addresses)
        for part in np.unique(parts):
            url = self.dedup.url(self.dedup.path(EXACT, f"{part}.parquet"))
            if files.exists(url):
                exact = read_table(url)
                index, present = _find(addresses, exact["address"].to_numpy())
                similarity[index[present]] = exact["similarity"].to_numpy()[present]
        return np.asarray(similarity, np.float32)


def apply_threshold(duplicates: pa.Table, similarity: Similarity, threshold: float) -> pa.Table:
    """Return the duplicates that remain, with new similarities and sizes of clusters.

    Documents with the same normalized text are removed or kept together: the similarity of the best
    of them decides. If they are kept, the others are duplicates of the best.

    Args:
        duplicates: whole clusters, with the columns REMOVED.
        similarity: float32 [n], similarity of each document to the one that is kept.
        threshold: smallest similarity of a duplicate.
    """
    address, same_text = duplicates["address"].to_numpy(), duplicates["same_text"].to_numpy()
    index, present = _find(address, same_text)
    below = pa.array(np.where(present, similarity[index], similarity) < np.float32(threshold))
    columns = {name: duplicates[name] for name in duplicates.column_names}
    columns["similarity"] = pc.if_else(below, pa.scalar(1, pa.float32()), pa.array(similarity))
    best = {"kept": "same_text", "kept_id": "same_text_id", "rule": "same_text_rule"}
    for name, replacement in best.items():
        columns[name] = pc.if_else(below, duplicates[replacement], duplicates[name])
    remaining = pa.table(columns, schema=duplicates.schema)
    remaining = remaining.filter(pc.not_equal(remaining["kept"], remaining["address"]))
    _, cluster, removed = np.unique(
        remaining["kept"].to_numpy(), return_inverse=True, return_counts=True
    )
    at = remaining.schema.get_field_index("size")
    sizes = pa.array(removed[cluster] + 1, pa.uint32())
    return remaining.set_column(at, remaining.schema.field(at), sizes).combine_chunks()


def _find(ascending: U64, wanted: U64) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return the index of each value of `wanted` in `ascending`, and whether it is there at all."""
    index = np.minimum(np.searchsorted(ascending, wanted), max(0, len(ascending) - 1))
    present = ascending[index] == wanted if len(ascending) else np.zeros(len(wanted), bool)
    return index, present
