"""`verify = "exact"`: the Jaccard similarity of each near-duplicate with the copy that stays.

Shuffled are the rows of the documents whose shingles are needed. Each part writes the sets of its
own, and reads those of the copies that stay one at a time: memory does not grow with what there is
to compare, and texts are read where they lie. A copy that stays in a previous corpus has no text
here: what goes for it is judged by its signature.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from filters.dedup.minhash import load_profile
from filters.dedup.minhash_kernels import jaccard
from filters.dedup.union_find import U32, Indexes, parts_and_rows
from manifests.io import files
from manifests.io.digest import short_digest
from manifests.lineage.receipts import Receipt, file_record, is_whole, load_receipt, save_receipt
from pipelines.dedup.rank_clusters import read_losers
from pipelines.dedup.shingle_sets import Sets, write_sets
from pipelines.runtime import progress, runners
from pipelines.runtime.runners import Runner
from pipelines.runtime.table import read_rows

STEP = "exact"

EXACT = pa.schema(
    [
        pa.field("address", pa.uint64(), nullable=False),  # ascending
        pa.field("similarity", pa.float32(), nullable=False),  # with the copy that stays
    ]
)
"""Columns of exact/NAME/PART.parquet: its near-duplicates of documents of this corpus."""


@dataclass(frozen=True)
class CompareExactly:
    """Compares all near-duplicates with the copies that stay."""

    directory: str
    """dedup/."""
    documents: str
    """license_filter/documents/."""
    table: str
    """dedup/parts.parquet."""
    clusters: list[str]
    """The clusters' files, relative to dedup/."""
    profile: str
    digest: str
    """The step digest."""

    def run(self, runner: Runner) -> str:
        """Write what is missing, and return where it lies: a folder of a file for each part."""
        receipt = load_receipt(self.directory, self._name)
        if receipt is None or not is_whole(self.directory, receipt):
            numbers = [row["part"] for row in read_rows(self.table)]
            with progress.parts(self.directory, STEP, 1, 0):
                runners.run(runner, max(1, len(numbers)), self._build)
                paths = [f"{STEP}/{self._name}/{number}.parquet" for number in numbers]
                made = [path for path in paths if files.exists(files.join(self.directory, path))]
                records = {path: file_record(self.directory, path) for path in made}
                receipt = Receipt(name=self._name, step=STEP, digest=self.digest, files=records)
                save_receipt(self.directory, receipt)
        return self._url()

    @property
    def _name(self) -> str:
        return short_digest([STEP, self.digest])

    def _build(self, pipeline: beam.Pipeline) -> None:
        _ = (
            pipeline
            | "Table" >> beam.Create([self.table])
            | "Parts" >> beam.FlatMap(read_rows)
            | "Spread" >> beam.Reshuffle()
            | "Ask" >> beam.FlatMap(lambda row: self.ask(row["part"]))
            | "ByPart" >> beam.GroupByKey()
            | "Write" >> beam.FlatMapTuple(self.write)
            | "Written" >> beam.GroupByKey()
            | "Compare" >> beam.MapTuple(self.compare)
        )

    def ask(self, part: int) -> Iterator[tuple[int, tuple[int, bytes]]]:
        """Yield (part, (this part, rows of that part whose sets it needs, as packed int64))."""
        near = self._near(part)
        needed = pa.concat_arrays([near["address"], near["kept"]]).to_numpy()
        parts, rows = parts_and_rows(needed)
        for other in np.unique(parts):
            asked = np.unique(rows[parts == other]).astype(np.int64)
            yield int(other), (part, asked.tobytes())

    def write(self, part: int, asked: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, int]]:
        """Write the sets of this part that any asks for, and tell each that they are there."""
        wanted, asking = np.empty(0, np.int64), []
        for other, rows in asked:
            wanted = np.union1d(wanted, np.frombuffer(rows, np.int64))
            asking.append(other)
        documents = files.join(self.documents, f"{self._part_name(part)}.parquet")
        write_sets(self._url(f"{part}"), documents, wanted, load_profile(self.profile))
        for other in asking:
            yield other, part

    def compare(self, part: int, written: Iterable[int]) -> None:
        """Write how similar this part's near-duplicates are to what stays instead."""
        near = self._near(part)
        _, own = parts_and_rows(near["address"].to_numpy())
        kept_parts, kept = parts_and_rows(near["kept"].to_numpy())
        similarity = np.empty(len(own), np.float32)
        with closing(Sets(self._url(f"{part}"))) as mine:
            for other in sorted(written):
                with closing(Sets(self._url(f"{other}"))) as theirs:
                    pairs = np.flatnonzero(kept_parts == other)
                    for same in _runs(pairs[np.argsort(kept[pairs])], kept):
                        stays = theirs.of(int(kept[same[0]]))
                        for i in same:
                            similarity[i] = jaccard(mine.of(int(own[i])), stays)
        measured = pa.table([near["address"], similarity], schema=EXACT)
        with files.replacing(self._url(f"{part}.parquet")) as output:
            pq.write_table(measured, output, compression="zstd")

    def _near(self, part: int) -> pa.RecordBatch:
        """Return a part's near-duplicates of documents of this corpus, of the schema CLUSTERS."""
        losers = read_losers(self.directory, self.clusters, part)
        near = losers.filter(pc.equal(losers["rule"], "minhash")).combine_chunks()
        return pa.RecordBatch.from_arrays(
            [column.combine_chunks() for column in near.columns], schema=near.schema
        )

    def _part_name(self, part: int) -> str:
        return next(str(row["name"]) for row in read_rows(self.table) if row["part"] == part)

    def _url(self, *names: str) -> str:
        return files.join(self.directory, STEP, self._name, *names)


def _runs(pairs: Indexes, kept: U32) -> list[Indexes]:
    """Cut pairs, ordered by the row of what stays, where that changes."""
    if len(pairs) == 0:
        return []
    return np.split(pairs, np.flatnonzero(np.diff(kept[pairs].astype(np.int64))) + 1)
