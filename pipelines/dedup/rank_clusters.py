"""Rank the documents of each cluster, and write the documents that are removed.

Each part is read once: its clustered documents are shuffled to the range of their cluster, about
150 bytes each. The removed documents of a range are read once and shuffled to their parts.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from filters.dedup import union_find, verify_clusters
from filters.dedup.minhash import DIFFERING, Profile, similarity
from filters.dedup.survivor_rank import ranked, survivor_keys
from filters.dedup.union_find import Indexes
from filters.document_ids import as_uint64
from manifests.io import files
from manifests.io.parquet import write_table
from manifests.lineage.receipts import Counts
from pipelines.dedup import signatures
from pipelines.dedup.deduplication import CLUSTERS, Deduplication, DedupTransform
from pipelines.dedup.packed_rows import pack, unpack
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

MEMBER = (
    pa.field("address", pa.uint64()),
    pa.field("label", pa.uint32()),  # of the cluster
    pa.field("priority", pa.uint8()),  # of the source
    pa.field("previous", pa.bool_()),
)
"""Columns that ranking reads besides those of signatures/."""

RANKED = "ranked"
"""Name of the task that ranks a range of clusters."""


class ClusterRange(NamedTuple):
    """The clusters with low <= number < high."""

    low: int
    high: int


def ranked_path(dedup: Deduplication, low: int, kind: str = RANKED) -> str:
    """Return the path of the removed documents of a range of clusters, relative to dedup/."""
    return dedup.path(CLUSTERS, f"{low}-{kind}.parquet")


class RankClusters(DedupTransform):
    """Write the documents that are removed: ranges of clusters in, the ranges now ranked out.

    A range that was ranked before is not in the output.
    """

    def __init__(self, dedup: Deduplication, labels: str) -> None:
        """Rank the clusters that the file `labels`, a path relative to dedup/, numbers."""
        super().__init__(dedup)
        self.labels = labels

    def expand(self, ranges: beam.PCollection) -> beam.PCollection:
        """Return the lowest cluster of each range."""
        todo = ranges | "Todo" >> beam.Filter(
            lambda clusters: not self.dedup.done(RANKED, clusters.low)
        )
        read = beam.FlatMap(self.read_members, beam.pvalue.AsList(todo))
        return (
            ranges
            | "Ranges" >> beam.combiners.ToList()
            | "Parts" >> beam.FlatMap(lambda _: self._parts())
            | "Spread" >> beam.Reshuffle()
            | "ReadMembers" >> read.with_output_types(tuple[int, bytes])
            | "ByRange" >> beam.GroupByKey()
            | "Rank" >> beam.MapTuple(self.rank)
        )

    def _parts(self) -> Iterator[tuple[SignedPart, int]]:
        """Yield each part and the number of documents before it."""
        start = 0
        for part in self.dedup.parts():
            yield part, start
            start += part.documents

    def read_members(
        self, part_and_start: tuple[SignedPart, int], ranges: list[ClusterRange]
    ) -> Iterator[tuple[int, bytes]]:
        """Yield the clustered documents of a part, packed, by the lowest cluster of their range.

        Args:
            part_and_start: a part, and the number of documents of the parts before it.
            ranges: the ranges that are ranked, in any order.
        """
        if not ranges:
            return
        part, start = part_and_start
        data = files.read_range(self.dedup.url(self.labels), 4 * start, 4 * part.documents)
        labels = np.frombuffer(data, np.uint32)
        lows, highs = np.array(sorted(ranges), np.int64).reshape(-1, 2).T
        place = np.searchsorted(lows, labels, side="right") - 1
        rows = np.flatnonzero(place >= 0)
        rows = rows[labels[rows] < highs[place[rows]]]
        rows = rows[np.argsort(place[rows], kind="stable")]
        if len(rows):
            members = self._members(part, rows, labels[rows])
            cuts = np.flatnonzero(np.diff(place[rows])) + 1
            for first, stop in zip([0, *cuts], [*cuts, len(rows)], strict=True):
                yield int(lows[place[rows[first]]]), pack(members.slice(first, stop - first))

    def _members(self, part: SignedPart, rows: Indexes, labels: npt.NDArray[np.uint32]) -> pa.Table:
        """Return rows of a part; see `select_duplicates`."""
        members = part.read(READ).take(pa.array(rows)).combine_chunks()
        columns = (
            union_find.addresses(part.part, rows),
            labels,
            np.full(len(rows), self.dedup.priorities.get(part.source, 0), np.uint8),
            np.full(len(rows), part.previous),
        )
        for field, values in zip(MEMBER, columns, strict=True):
            members = members.append_column(field, pa.array(values))
        return members

    def rank(self, low: int, members: Iterable[bytes]) -> int:
        """Rank the clusters of a range, whose lowest cluster is `low`."""
        table = unpack(members, member_schema(self.dedup.profile))
        duplicates, counts = select_duplicates(table, self.dedup)
        path = ranked_path(self.dedup, low)
        write_duplicates(self.dedup.url(path), duplicates)
        self.dedup.save(RANKED, low, paths=[path], counts=counts)
        return low


def member_schema(profile: Profile) -> pa.Schema:
    """Return the columns of the documents of clusters."""
    signed = signatures.schema(profile)
    return pa.schema([*(signed.field(name) for name in READ), *MEMBER])


def select_duplicates(members: pa.Table, dedup: Deduplication) -> tuple[pa.Table, Counts]:
    """Rank the documents of some clusters, and select those that are removed.

    Args:
        members: all documents of some clusters in any order, with the columns of `member_schema`.
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
    clusters = len(starts) - 1
    verify = dedup.config.verify != "none"
    same_text = verify_clusters.first_with_same_text(starts, as_uint64(members["normalized"]))
    kept = verify_clusters.assign_survivors(
        starts,
        verify,
        same_text,
        as_uint64(members["sketch"]),
        ~members["has_signature"].to_numpy(),
        members["previous"].to_numpy(),
        max_differing(dedup),
    )
    survivors = int((kept == np.arange(len(kept))).sum())
    duplicates = _duplicates(members, kept, same_text, dedup.profile.permutations)
    below = duplicates["similarity"].to_numpy() < np.float32(dedup.profile.threshold)
    counts: Counts = {
        "cluster_sizes": histogram(np.bincount(kept)),
        "verified": {
            "clusters": clusters if verify else 0,
            "documents": len(kept) if verify else 0,
            "kept_apart": survivors - clusters if verify else 0,
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
    return int((1 - threshold) * DIFFERING * dedup.profile.permutations)


def histogram(sizes: npt.NDArray[np.integer]) -> dict[str, int]:
    """Return size of a cluster -> number of clusters; clusters of one document do not count."""
    number, count = np.unique(sizes[sizes > 1], return_counts=True)
    return {str(n): int(c) for n, c in zip(number, count, strict=True)}


def write_duplicates(url: str, duplicates: pa.Table) -> None:
    """Write a table of the columns REMOVED."""
    write_table(url, duplicates, compression="zstd", row_group_size=1 << 16)


def by_part(duplicates: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    """Yield the parts of removed documents, which are ordered by address, and their documents."""
    parts, _ = union_find.parts_and_rows(duplicates["address"].to_numpy())
    cuts = np.flatnonzero(np.diff(parts)) + 1
    if len(parts):
        for first, stop in zip([0, *cuts], [*cuts, len(parts)], strict=True):
            yield int(parts[first]), duplicates.slice(first, stop - first)
