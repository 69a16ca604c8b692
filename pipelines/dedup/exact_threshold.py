"""Keep the documents whose exact Jaccard similarity is below the threshold of the profile."""

from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from filters.dedup.union_find import U64
from manifests.io.parquet import read_table
from pipelines.dedup.deduplication import DedupTransform
from pipelines.dedup.rank_clusters import ClusterRange, histogram, ranked_path, write_duplicates

THRESHOLD = "exact_threshold"
"""Name of the task that applies the threshold to a range of clusters."""

SIMILARITY = np.dtype([("address", "<u8"), ("similarity", "<f4")])
"""A near-duplicate and its exact similarity to the document that is kept."""

Similarity = npt.NDArray[np.float32]


class ApplyExactThreshold(DedupTransform):
    """Write the duplicates that remain: ranges of ranked clusters in, the same ranges out.

    The input is a pair: the ranges, and the output of ExactJaccard of them.
    """

    def expand(self, inputs: tuple[beam.PCollection, beam.PCollection]) -> beam.PCollection:
        """Return the ranges that are done."""
        ranges, similarities = inputs
        by_low = beam.Map(lambda clusters: (clusters.low, clusters))
        return (
            {"ranges": ranges | "ByLow" >> by_low, "exact": similarities}
            | "WithSimilarities" >> beam.CoGroupByKey()
            | "Apply" >> beam.MapTuple(self.apply)
        )

    def apply(self, low: int, groups: dict[str, Iterable[Any]]) -> ClusterRange:
        """Apply the threshold to a range of clusters unless that is done.

        Args:
            low: the lowest cluster of the range.
            groups: "ranges", the range, and "exact", packed rows of SIMILARITY.
        """
        (clusters,) = groups["ranges"]
        if not self.dedup.done(THRESHOLD, low):
            url = self.dedup.url(ranked_path(self.dedup, low))
            duplicates = read_table(url).combine_chunks()
            exact = np.frombuffer(b"".join(groups["exact"]), SIMILARITY)
            similarity = _exact_similarity(duplicates, exact)
            remaining = apply_threshold(duplicates, similarity, self.dedup.profile.threshold)
            path = ranked_path(self.dedup, low, THRESHOLD)
            write_duplicates(self.dedup.url(path), remaining)
            _, removed = np.unique(remaining["kept"].to_numpy(), return_counts=True)
            kept_apart = {"kept_apart": duplicates.num_rows - remaining.num_rows}
            counts = {"cluster_sizes": histogram(removed + 1), "verified": kept_apart}
            self.dedup.save(THRESHOLD, low, paths=[path], counts=counts)
        return ClusterRange(*clusters)


def _exact_similarity(duplicates: pa.Table, exact: npt.NDArray[np.void]) -> Similarity:
    """Return the exact similarities, and the estimates where there is no exact one.

    Args:
        duplicates: with the columns REMOVED, ordered by address.
        exact: SIMILARITY [n], of some of them.
    """
    similarity = duplicates["similarity"].to_numpy().copy()
    index, _ = _find(duplicates["address"].to_numpy(), exact["address"])
    similarity[index] = exact["similarity"]
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
