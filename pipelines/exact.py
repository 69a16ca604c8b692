"""`verify = "exact"`: the Jaccard similarity of each near-duplicate with the copy that stays.

Shuffled are sets of shingle hashes: of copies that stay, once for each part that something goes
from instead. Texts are read where they lie. A copy that stays in a frozen corpus has no text here:
what goes for it is judged by its signature.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from filters.clusters import U32, Indexes, addresses, parts_and_rows
from filters.minhash import load_profile, shingles
from filters.minhash_kernel import jaccard
from manifests import files
from manifests.canonical import short_digest
from manifests.receipts import Receipt, file_record, is_whole, load_receipt, save_receipt
from pipelines import progress, runners
from pipelines.plan import read_rows
from pipelines.quiet_beam import beam
from pipelines.runners import Runner
from pipelines.spans import read_losers

STEP = "exact"

EXACT = pa.schema(
    [
        pa.field("address", pa.uint64(), nullable=False),
        pa.field("similarity", pa.float32(), nullable=False),  # with the copy that stays
        pa.field("decides", pa.float32(), nullable=False),  # that of the best with the same text
    ]
)
"""Columns of exact/PART.parquet: its near-duplicates of documents of this corpus.

Documents with the same normalized text go or stay together: where they stay, one of them does.
"""


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

    def run(self, runner: Runner) -> Receipt:
        """Write exact/ unless it is there, and return its receipt."""
        name = short_digest([STEP, self.digest])
        receipt = load_receipt(self.directory, name)
        if receipt is None or not is_whole(self.directory, receipt):
            names = [row["name"] for row in read_rows(self.table)]
            for part in names:
                files.remove(files.join(self.directory, _path(part)))
            with progress.parts(self.directory, STEP, 1, 0):
                runners.run(runner, max(1, len(names)), self._build)
                paths = [_path(part) for part in names]
                made = [path for path in paths if files.exists(files.join(self.directory, path))]
                records = {path: file_record(self.directory, path) for path in made}
                receipt = Receipt(name=name, step=STEP, digest=self.digest, files=records)
                save_receipt(self.directory, receipt)
        return receipt

    def _build(self, pipeline: beam.Pipeline) -> None:
        _ = (
            pipeline
            | "Table" >> beam.Create([self.table])
            | "Parts" >> beam.FlatMap(read_rows)
            | "Spread" >> beam.Reshuffle()
            | "Ask" >> beam.FlatMap(lambda row: self.ask(row["part"]))
            | "ByPart" >> beam.GroupByKey()
            | "Answer" >> beam.FlatMapTuple(self.answer)
            | "Back" >> beam.GroupByKey()
            | "Compare" >> beam.MapTuple(self.compare)
        )

    def ask(self, part: int) -> Iterator[tuple[int, tuple[int, bytes]]]:
        """Yield (part of copies that stay, (this part, their rows as packed int64))."""
        near = self._near(part)
        parts, rows = parts_and_rows(pa.concat_arrays([near["kept"], near["alike"]]).to_numpy())
        for other in np.unique(parts):
            asked = np.unique(rows[parts == other]).astype(np.int64)
            yield int(other), (part, asked.tobytes())

    def answer(
        self, part: int, asked: Iterable[tuple[int, bytes]]
    ) -> Iterator[tuple[int, tuple[bytes, bytes, bytes]]]:
        """Yield (part that asked, (addresses, ends, hashes of the sets)) of this part's copies."""
        asks = [(other, np.frombuffer(rows, np.int64)) for other, rows in asked]
        wanted = np.unique(np.concatenate([rows for _, rows in asks]))
        hashes, places = self._sets(part, wanted)
        for other, rows in asks:
            at = np.searchsorted(wanted, rows)
            found = [hashes[places[i] : places[i + 1]] for i in at]
            ends = np.cumsum([len(each) for each in found])
            where = addresses(part, rows)
            yield other, (where.tobytes(), ends.tobytes(), np.concatenate(found).tobytes())

    def compare(self, part: int, answers: Iterable[tuple[bytes, bytes, bytes]]) -> None:
        """Write how similar this part's near-duplicates are to what stays instead."""
        sets: dict[int, U32] = {}
        for where, ends, packed in answers:
            found = np.split(np.frombuffer(packed, np.uint32), np.frombuffer(ends, np.int64)[:-1])
            sets |= dict(zip(np.frombuffer(where, np.uint64).tolist(), found, strict=True))
        near = self._near(part)
        own, kept, alike = (near[name].to_pylist() for name in ("address", "kept", "alike"))
        _, rows = parts_and_rows(near["address"].to_numpy())
        hashes, places = self._sets(part, rows.astype(np.int64))
        sets |= {where: hashes[places[i] : places[i + 1]] for i, where in enumerate(own)}
        pairs = zip(own, alike, kept, strict=True)
        both = [[jaccard(sets[each], sets[other]) for each in two] for *two, other in pairs]
        measured = pa.table([near["address"], *zip(*both, strict=True)], schema=EXACT)
        name = self._name(part)
        with files.replacing(files.join(self.directory, _path(name))) as output:
            pq.write_table(measured, output, compression="zstd")

    def _near(self, part: int) -> pa.RecordBatch:
        """Return a part's near-duplicates of documents of this corpus, of the schema CLUSTERS."""
        losers = read_losers(self.directory, self.clusters, part)
        near = losers.filter(pc.equal(losers["rule"], "minhash")).combine_chunks()
        return pa.RecordBatch.from_arrays(
            [column.combine_chunks() for column in near.columns], schema=near.schema
        )

    def _name(self, part: int) -> str:
        return next(str(row["name"]) for row in read_rows(self.table) if row["part"] == part)

    def _sets(self, part: int, rows: Indexes) -> tuple[U32, Indexes]:
        """Return the shingle hashes of rows, ascending, a row group at a time."""
        profile = load_profile(self.profile)
        hashes, sizes, first = [np.empty(0, np.uint32)], [np.zeros(1, np.int64)], 0
        url = files.join(self.documents, f"{self._name(part)}.parquet")
        with files.open_input(url) as source, pq.ParquetFile(source) as file:
            for group in range(file.num_row_groups):
                count = file.metadata.row_group(group).num_rows
                mine = rows[(rows >= first) & (rows < first + count)] - first
                first += count
                if len(mine):
                    texts = file.read_row_group(group, columns=["text"])["text"]
                    found, places = shingles(texts.take(pa.array(mine)), profile)
                    hashes.append(found)
                    sizes.append(np.diff(places))
        return np.concatenate(hashes), np.cumsum(np.concatenate(sizes))


def exactly(directory: str, part: str, losers: pa.Table, threshold: float) -> pa.Table:
    """Return what goes from a part after all, with exact similarities.

    Args:
        directory: dedup/.
        part: its name.
        losers: of the schema CLUSTERS, of one part.
        threshold: the least similarity: exact, or as the signatures have it for frozen copies.
    """
    similarity = losers["similarity"].to_numpy().copy()
    decides = similarity.copy()
    url = files.join(directory, _path(part))
    if files.exists(url):
        with files.open_input(url) as source:
            found = pq.read_table(source)
        at = np.searchsorted(losers["address"].to_numpy(), found["address"].to_numpy())
        similarity[at], decides[at] = found["similarity"].to_numpy(), found["decides"].to_numpy()
    far = pa.array(decides < np.float32(threshold))
    told = {name: losers[name] for name in losers.column_names}
    told["similarity"] = pc.if_else(far, pa.scalar(1, pa.float32()), pa.array(similarity))
    for name in ("", "_id"):
        told[f"kept{name}"] = pc.if_else(far, losers[f"alike{name}"], losers[f"kept{name}"])
    told["rule"] = pc.if_else(far, losers["alike_rule"], losers["rule"])
    goes = pc.not_equal(told["kept"], losers["address"])
    return pa.table(told, schema=losers.schema).filter(goes).combine_chunks()


def _path(part: str) -> str:
    return f"{STEP}/{part}.parquet"
