"""What is left of clusters when similarity is exact: who falls short stays after all."""

from dataclasses import dataclass

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from filters.dedup.union_find import U64, parts_and_rows
from manifests.io import files
from manifests.io.digest import short_digest
from manifests.io.parquet import read_table
from manifests.lineage.receipts import Receipt, file_record, is_whole, load_receipt, save_receipt
from pipelines.dedup.clusters import merged
from pipelines.runtime import runners
from pipelines.runtime.runners import Runner

STEP = "settled"

Similarity = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Settle:
    """Judges clusters again, a file of them at a time: each holds whole clusters."""

    directory: str
    """dedup/."""
    exact: str
    """URL of exact similarities, as `CompareExactly` writes them."""
    threshold: float
    """The least similarity with the copy that stays."""
    digest: str
    """The step digest."""

    def run(self, runner: Runner, clusters: Receipt) -> Receipt:
        """Write what goes of clusters, unless that is done; return their receipt as it is then."""
        paths = sorted(clusters.files)
        todo = [path for path in paths if not self._done(path)]
        if todo:
            runners.run(
                runner,
                len(todo),
                lambda pipeline: pipeline | beam.Create(todo) | "Settle" >> beam.Map(self.settle),
            )
        made = [receipt for path in paths for receipt in self._done(path)]
        verified = {"verified": clusters.counts["verified"]}
        before = clusters.model_copy(update={"files": {}, "counts": verified})
        counts, records = merged([before, *made])
        return clusters.model_copy(update={"files": records, "counts": counts})

    def settle(self, path: str) -> None:
        """Write what goes of some clusters after all, and a receipt."""
        losers = read_table(files.join(self.directory, path)).combine_chunks()
        found = settled(losers, self._similarity(losers), self.threshold)
        target = path.replace(".parquet", f"-{STEP}.parquet")
        with files.replacing(files.join(self.directory, target)) as output:
            pq.write_table(found, output, compression="zstd", row_group_size=1 << 16)
        _, sizes = np.unique(found["kept"].to_numpy(), return_counts=True)
        number, count = np.unique(sizes + 1, return_counts=True)
        receipt = Receipt(
            name=self._name(path),
            step=STEP,
            digest=self.digest,
            files={target: file_record(self.directory, target)},
            counts={
                "cluster_sizes": {str(n): int(c) for n, c in zip(number, count, strict=True)},
                "verified": {"kept_apart": losers.num_rows - found.num_rows},
            },
        )
        save_receipt(self.directory, receipt)

    def _similarity(self, losers: pa.Table) -> Similarity:
        """Return the exact similarity where there is one, else what the signatures say."""
        similarity = losers["similarity"].to_numpy().copy()
        addresses = losers["address"].to_numpy()
        parts, _ = parts_and_rows(addresses)
        for part in np.unique(parts):
            url = files.join(self.exact, f"{part}.parquet")
            if files.exists(url):
                found = read_table(url)
                place, there = _find(addresses, found["address"].to_numpy())
                similarity[place[there]] = found["similarity"].to_numpy()[there]
        return np.asarray(similarity, np.float32)

    def _name(self, path: str) -> str:
        return short_digest([STEP, self.digest, path])

    def _done(self, path: str) -> list[Receipt]:
        receipt = load_receipt(self.directory, self._name(path))
        return [receipt] if receipt and is_whole(self.directory, receipt) else []


def settled(losers: pa.Table, similarity: Similarity, threshold: float) -> pa.Table:
    """Return what goes of some clusters after all, with similarities, and sizes as they are then.

    Args:
        losers: of the schema CLUSTERS, whole clusters.
        similarity: float32 [n], of each with the copy that stays.
        threshold: the least that it must be.
    """
    addresses, alike = losers["address"].to_numpy(), losers["alike"].to_numpy()
    # Documents with the same normalized text go or stay together: the best of them decides.
    place, there = _find(addresses, alike)
    far = pa.array(np.where(there, similarity[place], similarity) < np.float32(threshold))
    told = {name: losers[name] for name in losers.column_names}
    told["similarity"] = pc.if_else(far, pa.scalar(1, pa.float32()), pa.array(similarity))
    for name in ("", "_id"):
        told[f"kept{name}"] = pc.if_else(far, losers[f"alike{name}"], losers[f"kept{name}"])
    told["rule"] = pc.if_else(far, losers["alike_rule"], losers["rule"])
    goes = pc.not_equal(told["kept"], losers["address"])
    left = pa.table(told, schema=losers.schema).filter(goes).combine_chunks()
    _, cluster, sizes = np.unique(left["kept"].to_numpy(), return_inverse=True, return_counts=True)
    at = left.schema.get_field_index("size")
    return left.set_column(at, left.schema.field(at), pa.array(sizes[cluster] + 1, pa.uint32()))


def _find(ascending: U64, wanted: U64) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return where each of `wanted` stands in `ascending`, and whether it is there at all."""
    place = np.minimum(np.searchsorted(ascending, wanted), max(0, len(ascending) - 1))
    there = ascending[place] == wanted if len(ascending) else np.zeros(len(wanted), bool)
    return place, there
