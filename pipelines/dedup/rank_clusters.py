"""Some of the clusters: their documents are ranked, and those that go are written."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from filters.dedup import union_find, verify_clusters
from filters.dedup.minhash import load_profile, similarity
from filters.dedup.survivor_rank import Ranked, ranked, survivor_keys
from filters.dedup.union_find import U32, U64, Indexes
from filters.document_ids import binary, words
from manifests.io import files
from manifests.io.parquet import open_parquet
from manifests.lineage.receipts import Receipt, file_record, save_receipt
from pipelines.dedup.previous_corpora import Parts, SignedPart

CLUSTERS = pa.schema(
    [
        pa.field("address", pa.uint64(), nullable=False),  # part << 32 | row; ascending
        pa.field("kept", pa.uint64(), nullable=False),  # of the copy that stays
        pa.field("kept_id", pa.binary(16), nullable=False),
        pa.field("size", pa.uint32(), nullable=False),  # documents with the same survivor
        pa.field("similarity", pa.float32(), nullable=False),  # estimated, 1 for equal texts
        pa.field(
            "rule", pa.string(), nullable=False
        ),  # exact | normalized | minhash | previous_corpus
        pa.field("alike", pa.uint64(), nullable=False),  # the best with the same normalized text
        pa.field("alike_id", pa.binary(16), nullable=False),
        pa.field("alike_rule", pa.string(), nullable=False),  # exact | normalized
    ]
)

EXACT = "exact"

MARGIN = 0.1
"""What an estimate may lack where the exact similarity decides: nearly three standard errors."""

COLUMNS = ["id", "verdict", "heldout", "stars", "exact", "normalized", "has_signature", "sketch"]


@dataclass(frozen=True)
class Verification:
    """Which clusters are verified, and how."""

    profile: str
    verify: str = "large"
    """large | all | exact."""
    large: int = 1_000
    """Documents above which a cluster is verified in any case."""

    def doubtful(self, sizes: Indexes) -> npt.NDArray[np.bool_]:
        """Tell which clusters, by their sizes, int64 [c], are verified."""
        least = self.large if self.verify == "large" else 0
        return np.asarray(sizes > least)

    @property
    def limit(self) -> int:
        """Minima of two documents that may differ, in two bits, when they are similar enough."""
        profile = load_profile(self.profile)
        least = profile.threshold - (MARGIN if self.verify == EXACT else 0)
        return int((1 - least) * 0.75 * profile.permutations)


@dataclass(frozen=True)
class Members:
    """The n documents of some clusters.

    Attributes:
        signed: their signatures' COLUMNS.
        addresses: uint64 [n].
        labels: uint32 [n], of their clusters.
        keys: SURVIVOR_KEY [n].
        previous: bool [n], documents of a previous corpus.
    """

    signed: pa.Table
    addresses: U64
    labels: U32
    keys: npt.NDArray[np.void]
    previous: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Span:
    """The clusters low <= number < high: a task of bounded size."""

    low: int
    high: int
    parts: Parts
    labels: str
    """URL of every document's label, uint32, part after part."""
    priorities: dict[str, int]
    verification: Verification
    directory: str
    """dedup/."""
    path: str
    """Of the file, relative to dedup/."""
    name: str
    """Of the receipt."""
    digest: str

    def run(self) -> None:
        """Write which of the documents go, and a receipt."""
        losers, counts = judge(self._members(), self.verification)
        with files.replacing(files.join(self.directory, self.path)) as output:
            pq.write_table(losers, output, compression="zstd", row_group_size=1 << 16)
        receipt = Receipt(
            name=self.name,
            step="clusters",
            digest=self.digest,
            files={self.path: file_record(self.directory, self.path)},
            counts=counts,
        )
        save_receipt(self.directory, receipt)

    def _members(self) -> Members:
        found: list[Members] = []
        with files.open_input(self.labels) as source:
            for part in self.parts.read():
                labels = np.frombuffer(source.read(4 * part.documents), np.uint32)
                rows = np.flatnonzero((labels >= self.low) & (labels < self.high))
                if len(rows):
                    found.append(self._of_part(part, rows, labels[rows]))
        return Members(
            signed=pa.concat_tables([each.signed for each in found]),
            addresses=np.concatenate([each.addresses for each in found]),
            labels=np.concatenate([each.labels for each in found]),
            keys=np.concatenate([each.keys for each in found]),
            previous=np.concatenate([each.previous for each in found]),
        )

    def _of_part(self, part: SignedPart, rows: Indexes, labels: U32) -> Members:
        signed = part.read(COLUMNS).take(pa.array(rows)).combine_chunks()
        keys = survivor_keys(
            heldout=signed["heldout"].to_numpy(zero_copy_only=False),
            priority=np.full(len(rows), self.priorities.get(part.source, 0), np.uint8),
            license_verdict=signed["verdict"].to_numpy(),
            stars=signed["stars"].to_numpy(),
            ids=signed["id"],
            previous=part.previous,
        )
        previous = np.full(len(rows), part.previous)
        return Members(signed, union_find.addresses(part.part, rows), labels, keys, previous)


def judge(members: Members, verification: Verification) -> tuple[pa.Table, dict[str, Any]]:
    """Return the documents that go, of the schema CLUSTERS, and what is to be counted."""
    rank = ranked(members.addresses, members.labels, members.keys)
    order, starts = rank
    normalized = words(members.signed["normalized"])[order]
    sketches = words(members.signed["sketch"])[order]
    lone = ~members.signed["has_signature"].to_numpy(zero_copy_only=False)[order]
    previous = members.previous[order]
    doubtful = verification.doubtful(np.diff(starts))
    alike = verify_clusters.first_with_same_text(starts, normalized)
    kept = verify_clusters.assign_survivors(
        starts,
        doubtful,
        alike,
        sketches,
        lone,
        previous,
        verification.limit,
    )
    go = np.flatnonzero(kept != np.arange(len(kept)))
    go = go[np.argsort(members.addresses[order[go]])]
    stay, first = kept[go], alike[go]
    permutations = load_profile(verification.profile).permutations
    exact = words(members.signed["exact"])[order]
    addresses, ids = members.addresses[order], words(members.signed["id"])[order]
    same_text = alike[go] == alike[stay]
    equal = [previous[stay], (exact[go] == exact[stay]).all(axis=1), same_text]
    estimated = similarity(sketches[go], sketches[stay], permutations)
    sizes = np.bincount(kept, minlength=len(kept))
    losers = pa.table(
        {
            "address": addresses[go],
            "kept": addresses[stay],
            "kept_id": binary(ids[stay]),
            "size": sizes[stay],
            "similarity": np.where(same_text, 1, np.where(lone[go] | lone[stay], 0, estimated)),
            "rule": np.select(equal, ["previous_corpus", "exact", "normalized"], "minhash"),
            "alike": addresses[first],
            "alike_id": binary(ids[first]),
            "alike_rule": np.where((exact[go] == exact[first]).all(axis=1), "exact", "normalized"),
        }
    ).cast(CLUSTERS)
    return losers, _counts(rank, doubtful, kept, sizes)


def _counts(
    rank: Ranked, doubtful: npt.NDArray[np.bool_], kept: Indexes, sizes: Indexes
) -> dict[str, Any]:
    """Count clusters by size, as they are after verification, and what verification did."""
    number, count = np.unique(sizes[sizes > 1], return_counts=True)
    verified = np.repeat(doubtful, np.diff(rank.starts))
    stay = (kept == np.arange(len(kept))) & verified
    return {
        "cluster_sizes": {str(n): int(c) for n, c in zip(number, count, strict=True)},
        "verified": {
            "clusters": int(doubtful.sum()),
            "documents": int(verified.sum()),
            "kept_apart": int(stay.sum() - doubtful.sum()),
        },
    }


def read_losers(directory: str, paths: list[str], part: int) -> pa.Table:
    """Return the documents of a part that go, by ascending address, of the schema CLUSTERS."""
    low, high = part << 32, part << 32 | 0xFFFFFFFF
    tables = [CLUSTERS.empty_table()]
    for path in paths:
        with open_parquet(files.join(directory, path)) as file:
            for group in file.groups_between(CLUSTERS.get_field_index("address"), low, high):
                table = file.read_row_group(group)
                addresses = table["address"].to_numpy()
                tables.append(table.filter(pa.array((addresses >= low) & (addresses <= high))))
    return pa.concat_tables(tables).sort_by("address").combine_chunks()
