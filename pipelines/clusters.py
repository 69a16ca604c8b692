"""Clusters: hashes by range become spanning forests, forests one forest, and it says who stays."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from filters import clusters
from filters.survivors import SURVIVOR_KEY, survivor_keys, survivors
from manifests import files
from manifests.receipts import Receipt, file_record, is_whole, load_receipt, save_receipt
from pipelines import progress, runners
from pipelines.plan import read_rows
from pipelines.quiet_beam import beam
from pipelines.runners import Runner
from pipelines.signatures import band_hashes, signature_path

STEP = "clusters"

Numbers = npt.NDArray[np.uint64]

HASHES_PER_RANGE = 4_000_000
"""Entries of a column that one worker sorts at once: 64 MB."""

CLUSTERS = pa.schema(
    [
        pa.field("address", pa.uint64(), nullable=False),  # part << 32 | row; ascending
        pa.field("kept", pa.uint64(), nullable=False),  # of the copy that stays
        pa.field("size", pa.uint32(), nullable=False),  # documents in the cluster
    ]
)


@dataclass(frozen=True)
class Clusters:
    """Finds the clusters of all parts, and writes the documents that go and what stays instead."""

    directory: str
    """dedup/."""
    table: str
    """A Parquet table of parts: part, source, documents, signature (a name)."""
    name: str
    """Of the clusters' receipt and file."""
    digest: str
    """The step digest."""
    priorities: dict[str, int]
    """Source -> priority: the lowest stays."""

    @property
    def path(self) -> str:
        """Where the clusters lie, relative to dedup/."""
        return f"clusters/{self.name}.parquet"

    def run(self, runner: Runner) -> Receipt:
        """Find the clusters unless they are there, and return their receipt."""
        receipt = self._receipt()
        rows = [] if receipt else read_rows(self.table)
        with progress.parts(self.directory, STEP, 1, 1 if receipt else 0):
            if receipt is None:
                ranges = 1 + sum(row["documents"] for row in rows) // HASHES_PER_RANGE
                runners.run(runner, len(rows), lambda pipeline: self._build(pipeline, ranges))
                receipt = self._receipt()
        assert receipt is not None
        return receipt

    def _receipt(self) -> Receipt | None:
        receipt = load_receipt(self.directory, self.name)
        return receipt if receipt and is_whole(self.directory, receipt) else None

    def _build(self, pipeline: beam.Pipeline, ranges: int) -> None:
        _ = (
            pipeline
            | "Table" >> beam.Create([self.table])
            | "Parts" >> beam.FlatMap(read_rows)
            | "Spread" >> beam.Reshuffle()
            | "Hashes" >> beam.FlatMap(packed_hashes, self.directory, ranges)
            | "ByRange" >> beam.GroupByKey()
            | "Forests" >> beam.MapTuple(packed_forest)
            | "Merge" >> beam.CombineGlobally(MergeForests())
            | "Survivors" >> beam.Map(self._write)
        )

    def _write(self, forest: bytes) -> None:
        addresses, labels = clusters.components(unpack_edges(forest))
        table = self._survivors(addresses, labels)
        with files.replacing(files.join(self.directory, self.path)) as output:
            pq.write_table(table, output, compression="zstd")
        record = file_record(self.directory, self.path)
        _, members = np.unique(labels, return_counts=True)
        sizes, counts = np.unique(members, return_counts=True)
        histogram = {str(size): int(count) for size, count in zip(sizes, counts, strict=True)}
        receipt = Receipt(
            name=self.name,
            step=STEP,
            digest=self.digest,
            files={self.path: record},
            counts={"cluster_sizes": histogram},
        )
        save_receipt(self.directory, receipt)

    def _survivors(self, addresses: Numbers, labels: Numbers) -> pa.Table:
        keys = read_keys(self.directory, read_rows(self.table), self.priorities, addresses)
        losers = survivors(addresses, labels, keys)
        columns = {"address": losers.address, "kept": losers.kept, "size": losers.cluster_size}
        return pa.table(columns, schema=CLUSTERS)


def packed_hashes(
    row: dict[str, Any], directory: str, ranges: int
) -> Iterator[tuple[tuple[int, int], bytes]]:
    """Yield ((column, range of the hash), packed (hash, address) pairs) of one part.

    Column 0 is the normalized text, for every document; the others are the bands of those that
    have a signature.
    """
    url = files.join(directory, signature_path(row["signature"]))
    with files.open_input(url) as source:
        table = pq.read_table(source, columns=["scope", "normalized", "has_signature", "bands"])
    scopes = table["scope"].to_numpy()
    addresses = clusters.addresses(row["part"], np.arange(table.num_rows))
    normalized = np.frombuffer(b"".join(table["normalized"].to_pylist()), "<u8")[::2]
    yield from _by_range(0, normalized ^ scopes, addresses, ranges)
    has_signature = table["has_signature"].to_numpy()
    bands = band_hashes(table)
    for band in range(bands.shape[1]):
        hashes = (bands[:, band] ^ scopes)[has_signature]
        yield from _by_range(band + 1, hashes, addresses[has_signature], ranges)


def _by_range(
    column: int, hashes: Numbers, addresses: Numbers, ranges: int
) -> Iterator[tuple[tuple[int, int], bytes]]:
    place = (hashes >> np.uint64(32)) * np.uint64(ranges) >> np.uint64(32)
    for number in range(ranges):
        chosen = place == number
        if chosen.any():
            yield (column, number), np.stack([hashes[chosen], addresses[chosen]], 1).tobytes()


def packed_forest(key: tuple[int, int], values: Iterable[bytes]) -> bytes:
    """Reduce the pairs of one column and range to a spanning forest, packed as edges."""
    pairs = np.concatenate([np.frombuffer(value, np.uint64).reshape(-1, 2) for value in values])
    return clusters.forest(pairs[:, 0], pairs[:, 1]).tobytes()


def unpack_edges(packed: bytes) -> Numbers:
    """Return packed edges as uint64 [m, 2]."""
    return np.frombuffer(packed, np.uint64).reshape(-1, 2)


class MergeForests(beam.CombineFn):
    """Merges spanning forests: associative, so engines may merge in any order."""

    def create_accumulator(self) -> bytes:
        """Return the forest without an edge."""
        return b""

    def add_input(self, accumulator: bytes, element: bytes) -> bytes:
        """Merge one more forest."""
        return self.merge_accumulators([accumulator, element])

    def merge_accumulators(self, accumulators: Iterable[bytes]) -> bytes:
        """Merge forests."""
        return clusters.merge([unpack_edges(packed) for packed in accumulators]).tobytes()

    def extract_output(self, accumulator: bytes) -> bytes:
        """Return the forest."""
        return accumulator


def read_keys(
    directory: str, rows: list[dict[str, Any]], priorities: dict[str, int], addresses: Numbers
) -> npt.NDArray[np.void]:
    """Read what survivors are ranked by, of the documents at ascending `addresses` alone."""
    parts, places = clusters.parts_and_rows(addresses)
    keys = [np.empty(0, SURVIVOR_KEY)]
    for row in rows:
        chosen = places[parts == row["part"]]
        if len(chosen):
            url = files.join(directory, signature_path(row["signature"]))
            with files.open_input(url) as source:
                signed = pq.read_table(source, columns=["heldout", "verdict", "stars", "id"])
            keys.append(_keys(signed.take(pa.array(chosen)), priorities[row["source"]]))
    return np.concatenate(keys)


def _keys(signed: pa.Table, priority: int) -> npt.NDArray[np.void]:
    return survivor_keys(
        heldout=signed["heldout"].to_numpy(),
        priority=np.full(signed.num_rows, priority, np.uint8),
        license_verdict=signed["verdict"].to_numpy(),
        stars=signed["stars"].to_numpy(),
        ids=signed["id"],
    )
