"""Rank the documents of each cluster, and write the documents that are removed."""

from typing import NamedTuple

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from filters.dedup import union_find, verify_clusters
from filters.dedup.minhash import similarity
from filters.dedup.survivor_rank import ranked, survivor_keys
from filters.dedup.union_find import Indexes
from filters.document_ids import as_uint64
from manifests.io import files
from manifests.io.parquet import open_parquet, write_table
from pipelines.dedup.deduplication import CLUSTERS, Counts, Deduplication, DedupTransform
from pipelines.dedup.parts import SignedPart

REMOVED = pa.schema(
    [
        pa.field("address", pa.uint64(), nullable=False),  # part << 32 | row; ascending
        pa.field("kept", pa.uint64(), nullable=False),  # address of the document that is kept
        pa.field("kept_id", pa.binary(16), nullable=False),
        pa.field("size", pa.uint32(), nullable=False),  # documents with this kept document, and it
        pa.field("similarity", pa.float32(), nullable=False),  # estimate; 1 for equal texts
        pa.field("rule", pa.string(), nullable=False),  # as in manifests.schemas.DUPLICATES
        pa.field("same_text", pa.uint64(), nullable=False),  # the best with this normalized text
        pa.field("same_text_id", pa.binary(16), nullable=False),
        pa.field("same_text_rule", pa.string(), nullable=False),  # exact | normalized
    ]
)
"""Columns of clusters/NAME/LOW.parquet: the documents of some clusters that are removed."""

MARGIN = 0.1
"""Allowance of an estimate below the threshold where exact similarity decides afterwards. Ours:
nearly three standard errors of the estimate."""

READ = ["id", "verdict", "heldout", "stars", "exact", "normalized", "has_signature", "sketch"]
"""Columns of signatures/ that ranking reads."""

RANKED = "ranked"
"""Name of the task that ranks a range of clusters."""


class ClusterRange(NamedTuple):
    """The clusters with low <= number < high."""

    low: int
    high: int

    def path(self, dedup: Deduplication, kind: str = RANKED) -> str:
        """Return the path of the removed documents of these clusters, relative to dedup/."""
        return dedup.path(CLUSTERS, f"{self.low}-{kind}.parquet")


class RankClusters(DedupTransform):
    """Write the documents that are removed: ranges of clusters in, the same ranges out."""

    def __init__(self, dedup: Deduplication, labels: str) -> None:
        """Rank the clusters that the file `labels`, a path relative to dedup/, numbers."""
        super().__init__(dedup)
        self.labels = labels

    def expand(self, ranges: beam.PCollection) -> beam.PCollection:
        """Return the ranges that are ranked."""
        return ranges | "Spread" >> beam.Reshuffle() | "Rank" >> beam.Map(self.rank)

    def rank(self, clusters: ClusterRange) -> ClusterRange:
        """Rank a range of clusters unless that is done."""
        if not self.dedup.done(RANKED, clusters.low):
            duplicates, counts = select_duplicates(self._members(clusters), self.dedup)
            path = clusters.path(self.dedup)
            write_duplicates(self.dedup.url(path), duplicates)
            self.dedup.save(RANKED, clusters.low, paths=[path], counts=counts)
        return clusters

    def _members(self, clusters: ClusterRange) -> pa.Table:
        """Return the signatures of the documents of some clusters; see `select_duplicates`."""
        tables = []
        with files.open_input(self.dedup.url(self.labels)) as source:
            for part in self.dedup.parts():
                labels = np.frombuffer(source.read(4 * part.documents), np.uint32)
                rows = np.flatnonzero((labels >= clusters.low) & (labels < clusters.high))
                if len(rows):
                    tables.append(self._members_of_part(part, rows, labels[rows]))
        return pa.concat_tables(tables)

    def _members_of_part(
        self, part: SignedPart, rows: Indexes, labels: npt.NDArray[np.uint32]
    ) -> pa.Table:
        """Return the members of some clusters in a part."""
        priority = self.dedup.priorities.get(part.source, 0)
        columns = {
            "address": union_find.addresses(part.part, rows),
            "label": labels,
            "priority": np.full(len(rows), priority, np.uint8),
            "previous": np.full(len(rows), part.previous),
        }
        members = part.read(READ).take(pa.array(rows))
        for name, values in columns.items():
            members = members.append_column(name, pa.array(values))
        return members


def select_duplicates(members: pa.Table, dedup: Deduplication) -> tuple[pa.Table, Counts]:
    """Rank the documents of some clusters, and select those that are removed.

    Args:
        members: READ of all documents of some clusters, and the columns address (uint64), label
            (uint32, of the cluster), priority (uint8, of the source) and previous (bool).
        dedup: the settings.

    Returns:
        duplicates: the documents that are removed, with the columns REMOVED.
        counts: "cluster_sizes" after verification, and "verified".
    """
    keys = survivor_keys(
        heldout=members["heldout"].to_numpy(),
        priority=members["priority"].to_numpy(),
        license_verdict=members["verdict"].to_numpy(),
        stars=members["stars"].to_numpy(),
        ids=members["id"],
        previous=members["previous"].to_numpy(),
    )
    order, starts = ranked(members["address"].to_numpy(), members["label"].to_numpy(), keys)
    members = members.take(pa.array(order)).combine_chunks()
    sizes = np.diff(starts)
    verified = np.full(len(sizes), dedup.config.verify != "none")
    same_text = verify_clusters.first_with_same_text(starts, as_uint64(members["normalized"]))
    kept = verify_clusters.assign_survivors(
        starts,
        verified,
        same_text,
        as_uint64(members["sketch"]),
        ~members["has_signature"].to_numpy(),
        members["previous"].to_numpy(),
        max_differing(dedup),
    )
    is_verified = np.repeat(verified, sizes)
    survivors = int(((kept == np.arange(len(kept))) & is_verified).sum())
    duplicates = _duplicates(members, kept, same_text, dedup.profile.permutations)
    below = duplicates["similarity"].to_numpy() < np.float32(dedup.profile.threshold)
    counts: Counts = {
        "cluster_sizes": histogram(np.bincount(kept)),
        "verified": {
            "clusters": int(verified.sum()),
            "documents": int(is_verified.sum()),
            "kept_apart": survivors - int(verified.sum()),
            # Of exact verification the last task counts them.
            "removed_below_threshold": 0 if dedup.exact else int(below.sum()),
        },
    }
    return duplicates, counts


def _duplicates(
    members: pa.Table, kept: Indexes, same_text: Indexes, permutations: int
) -> pa.Table:
    """Return the documents that are removed, ordered by address, with the columns REMOVED.

    Args:
        members: n ranked documents, as of `select_duplicates`.
        kept: int64 [n], of `assign_survivors`.
        same_text: int64 [n], of `first_with_same_text`.
        permutations: number of minima in a signature.
    """
    addresses, has_signature = members["address"].to_numpy(), members["has_signature"].to_numpy()
    exact, sketches = as_uint64(members["exact"]), as_uint64(members["sketch"])
    removed = np.flatnonzero(kept != np.arange(len(kept)))
    removed = removed[np.argsort(addresses[removed])]
    survivor, first = kept[removed], same_text[removed]
    is_same_text = first == same_text[survivor]
    rules = {
        "previous_corpus": members["previous"].to_numpy()[survivor],
        "exact": (exact[removed] == exact[survivor]).all(axis=1),
        "normalized": is_same_text,
    }
    estimate = similarity(sketches[removed], sketches[survivor], permutations)
    estimate[~(has_signature[removed] & has_signature[survivor])] = 0
    is_exact = (exact[removed] == exact[first]).all(axis=1)
    return pa.table(
        {
            "address": addresses[removed],
            "kept": addresses[survivor],
            "kept_id": members["id"].take(pa.array(survivor)),
            "size": np.bincount(kept)[survivor],
            "similarity": np.where(is_same_text, 1, estimate),
            "rule": np.select(list(rules.values()), list(rules), "minhash"),
            "same_text": addresses[first],
            "same_text_id": members["id"].take(pa.array(first)),
            "same_text_rule": np.where(is_exact, "exact", "normalized"),
        }
    ).cast(REMOVED)


def max_differing(dedup: Deduplication) -> int:
    """Return the largest number of minima of similar documents that differ in their two bits."""
    threshold = dedup.profile.threshold - (MARGIN if dedup.exact else 0)
    return int((1 - threshold) * 0.75 * dedup.profile.permutations)


def histogram(sizes: npt.NDArray[np.integer]) -> dict[str, int]:
    """Return size of a cluster -> number of clusters; clusters of one document do not count."""
    number, count = np.unique(sizes[sizes > 1], return_counts=True)
    return {str(n): int(c) for n, c in zip(number, count, strict=True)}


def write_duplicates(url: str, duplicates: pa.Table) -> None:
    """Write a table of the columns REMOVED."""
    write_table(url, duplicates, compression="zstd", row_group_size=1 << 16)


def read_duplicates(dedup: Deduplication, paths: list[str], part: int) -> pa.Table:
    """Return the removed documents of a part, ordered by address, with the columns REMOVED."""
    low, high = part << 32, part << 32 | 0xFFFFFFFF
    tables = [REMOVED.empty_table()]
    for path in paths:
        with open_parquet(dedup.url(path)) as file:
            for group in file.groups_between(REMOVED.get_field_index("address"), low, high):
                table = file.read_row_group(group)
                addresses = table["address"].to_numpy()
                tables.append(table.filter(pa.array((addresses >= low) & (addresses <= high))))
    return pa.concat_tables(tables).sort_by("address").combine_chunks()
