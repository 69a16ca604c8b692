"""Some columns of hashes, over all parts, become spanning forests on disk."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
import pyarrow as pa

from filters.dedup import union_find
from filters.dedup.union_find import U64, Indexes
from filters.document_ids import words
from manifests.io import files
from pipelines.dedup.previous_corpora import Parts, SignedPart
from pipelines.dedup.signatures import band_column

HASHES_PER_RANGE = 4_000_000
"""Entries of a column that one worker sorts at once: 64 MB."""

Key = tuple[int, int]


@dataclass(frozen=True)
class Round:
    """Columns whose hashes are looked at together, and where their forests go.

    Column 0 is the normalized text, for every document; the others are the bands of those that
    have a signature. Equal hashes inside a part are linked there and shuffled once, so a text that
    a part repeats a million times costs the shuffle 16 bytes, however skewed the hashes are.
    """

    number: int
    columns: tuple[int, ...]
    ranges: int
    parts: Parts
    directory: str
    """Where forests are written."""

    def build(self, pipeline: beam.Pipeline) -> None:
        """Add the round to a pipeline."""
        _ = (
            pipeline
            | "Parts" >> beam.Create([self.parts])
            | "Each" >> beam.FlatMap(Parts.read)
            | "Spread" >> beam.Reshuffle()
            | "Hashes" >> beam.FlatMap(self.hashes)
            | "ByRange" >> beam.GroupByKey()
            | "Forests" >> beam.MapTuple(self.link)
        )

    def hashes(self, part: SignedPart) -> Iterator[tuple[Key, bytes]]:
        """Link what shares a hash inside a part, and yield each hash once, by its range."""
        linked = np.empty((0, 2), np.uint64)
        for column, hashes, rows in self._read(part):
            where = union_find.addresses(part.part, rows)
            distinct, first, edges = _once(hashes, where)
            # Column by column, so that a part of copies holds no edge for each of their bands.
            linked = union_find.spanning(np.concatenate([linked, edges])) if len(edges) else linked
            packed = np.column_stack([distinct, first])
            for number, chosen in enumerate(np.split(packed, self._cuts(distinct))):
                if len(chosen):
                    yield (column, number), chosen.tobytes()
        self._write(f"part-{part.part}", linked)

    def link(self, key: Key, values: Iterable[bytes]) -> None:
        """Link the addresses of one column and range that share a hash."""
        pairs = np.concatenate([np.frombuffer(value, np.uint64).reshape(-1, 2) for value in values])
        self._write(f"column-{key[0]}-{key[1]}", union_find.forest(pairs[:, 0], pairs[:, 1]))

    def _cuts(self, hashes: U64) -> Indexes:
        """Return where each range but the first starts in hashes that ascend."""
        starts = [(number << 64) // self.ranges for number in range(1, self.ranges)]
        return np.searchsorted(hashes, np.array(starts, np.uint64))

    def _read(self, part: SignedPart) -> Iterator[tuple[int, U64, Indexes]]:
        """Yield each column's hashes and the rows that they are of."""
        bands = [band_column(column - 1) for column in self.columns if column]
        text = ["normalized"] if 0 in self.columns else []
        table = part.read(["scope", "has_signature", *text, *bands])
        there = np.ones(table.num_rows, bool)
        there[part.gone()] = False
        signed = there & table["has_signature"].to_numpy(zero_copy_only=False)
        scopes = table["scope"].to_numpy()
        for column in self.columns:
            rows = np.flatnonzero(signed if column else there)
            yield column, (_hashes(table, column) ^ scopes)[rows], rows

    def _write(self, name: str, edges: U64) -> None:
        if len(edges):
            url = files.join(self.directory, f"{self.number}-{name}.npy")
            with files.replacing(url) as output:
                np.save(output, edges, allow_pickle=False)


def _hashes(table: pa.Table, column: int) -> U64:
    if column:
        return np.asarray(table[band_column(column - 1)].to_numpy(), np.uint64)
    return words(table["normalized"])[:, 0]


def _once(hashes: U64, where: U64) -> tuple[U64, U64, U64]:
    """Return the distinct hashes, ascending, the first address of each, and edges to the others.

    Args:
        hashes: uint64 [n].
        where: uint64 [n], addresses.
    """
    order = np.argsort(hashes)
    hashes, where = hashes[order], where[order]
    new = np.ones(len(hashes), bool)
    new[1:] = hashes[1:] != hashes[:-1]
    starts = np.flatnonzero(new)
    if len(starts) == len(hashes):
        return hashes, where, np.empty((0, 2), np.uint64)
    first = np.minimum.reduceat(where, starts)
    leaders = first[np.cumsum(new) - 1]
    others = leaders != where
    return hashes[starts], first, np.column_stack([leaders[others], where[others]])


def rounds(
    parts: Parts, directory: str, documents: int, bands: int, entries: int, least: int
) -> list[Round]:
    """Share the columns out to rounds: at most `entries` hashes each, but `least` columns."""
    ranges = 1 + documents // HASHES_PER_RANGE
    each = max(least, entries // max(1, documents))
    starts = range(0, bands + 1, each)
    columns = [tuple(range(start, min(start + each, bands + 1))) for start in starts]
    return [Round(number, some, ranges, parts, directory) for number, some in enumerate(columns)]
