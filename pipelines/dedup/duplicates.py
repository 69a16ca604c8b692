"""duplicates/: the documents of each part that go, and which one stays instead."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from filters.dedup.union_find import parts_and_rows
from manifests.io import files
from manifests.io.digest import short_digest
from manifests.io.parquet import read_table
from manifests.lineage.receipts import (
    ComponentFunnel,
    Count,
    Funnel,
    Receipt,
    file_record,
    save_receipt,
)
from manifests.schemas import DUPLICATES
from pipelines.dedup.previous_corpora import Parts, SignedPart
from pipelines.dedup.rank_clusters import read_losers

STEP = "duplicates"

LARGEST = 3
"""Clusters that the guard shows of a part."""


def receipt_name(part: str, digest: str) -> str:
    """Return the name of the receipt of a part's duplicates: they depend on all parts."""
    return short_digest([STEP, part, digest])


@dataclass
class ListDuplicates:
    """Makes duplicates/ and a receipt of each part of documents/."""

    directory: str
    """dedup/."""
    parts: Parts
    """All parts: a duplicate's survivor may be in any."""
    documents: str
    """license_filter/documents/."""
    clusters: list[str]
    """The clusters' files, relative to dedup/."""
    digest: str
    """The step digest."""

    def setup(self) -> None:
        """Read which signatures belong to which part."""
        self._signed: dict[int, SignedPart] = {part.part: part for part in self.parts.read()}

    def receipts(self, row: dict[str, Any]) -> Iterator[str]:
        """Yield the one name."""
        yield receipt_name(row["name"], self.digest)

    def work(self, row: dict[str, Any]) -> Iterator[Receipt]:
        """Look a part up in the clusters, and count what goes."""
        path = f"duplicates/{row['name']}.parquet"
        gone = self._gone(row)
        with files.replacing(files.join(self.directory, path)) as output:
            pq.write_table(gone, output, compression="zstd")
        funnel, kept = self._count(row, gone)
        losses = self._losses(row["source"], gone)
        receipt = Receipt(
            name=next(self.receipts(row)),
            step=STEP,
            digest=self.digest,
            files={path: file_record(self.directory, path)},
            counts={"lost_to": _summed(losses, "to")},
            funnel=funnel,
            extra={
                "kept": kept,
                "within": _summed([loss for loss in losses if loss["within"]], "rule"),
                "largest": _largest(gone),
            },
        )
        save_receipt(self.directory, receipt)
        yield receipt

    def _gone(self, row: dict[str, Any]) -> pa.Table:
        part = row["part"]
        losers = read_losers(self.directory, self.clusters, part)
        _, rows = parts_and_rows(losers["address"].to_numpy())
        kept_parts, kept_rows = parts_and_rows(losers["kept"].to_numpy())
        ids = self._signed[part].read(["id"])["id"].take(pa.array(rows))
        return pa.table(
            {
                "row": rows,
                "id": ids,
                "kept_part": kept_parts,
                "kept_row": kept_rows,
                "kept_id": losers["kept_id"],
                "cluster_size": losers["size"],
                "similarity": losers["similarity"],
                "rule": losers["rule"],
            },
            schema=DUPLICATES,
        )

    def _count(self, row: dict[str, Any], gone: pa.Table) -> tuple[Funnel, list[dict[str, Any]]]:
        url = files.join(self.documents, f"{row['name']}.parquet")
        documents = read_table(url, ["component", "bytes", "heldout"])
        rules = np.full(documents.num_rows, None, object)
        rules[gone["row"].to_numpy()] = gone["rule"].to_pylist()
        counted = documents.append_column("rule", pa.array(rules, pa.string()))
        groups = (
            counted.group_by(["component", "heldout", "rule"], use_threads=False)
            .aggregate([("bytes", "sum"), ("bytes", "count")])
            .to_pylist()
        )
        return {row["source"]: _funnels(groups)} if groups else {}, _kept(groups)

    def _losses(self, source: str, gone: pa.Table) -> list[dict[str, Any]]:
        """Count what goes by rule and by the source of the copy that stays."""
        # Threads of Arrow never hold the table's columns: these are NumPy arrays.
        groups = gone.group_by(["kept_part", "rule"], use_threads=False)
        counted = groups.aggregate([("row", "count")]).to_pylist()
        losses = []
        for group in counted:
            kept = self._signed[group["kept_part"]]
            other = f"{kept.source} (previous corpus)" if kept.previous else kept.source
            losses.append(
                {
                    "to": f"{source} -> {other}",
                    "rule": group["rule"],
                    "within": not kept.previous and kept.source == source,
                    "documents": group["row_count"],
                }
            )
        return losses


def _summed(losses: list[dict[str, Any]], by: str) -> dict[str, int]:
    total: Counter[str] = Counter()
    for loss in losses:
        total[loss[by]] += loss["documents"]
    return dict(sorted(total.items()))


def _largest(gone: pa.Table) -> list[list[Any]]:
    """Return size and survivor's id of the largest clusters that documents of a part go from."""
    found = gone.group_by(["cluster_size", "kept_id"], use_threads=False)
    order = [("cluster_size", "descending"), ("kept_id", "ascending")]
    rows = found.aggregate([]).sort_by(order).slice(0, LARGEST).to_pylist()
    return [[row["cluster_size"], row["kept_id"].hex()] for row in rows]


def _funnels(groups: list[dict[str, Any]]) -> dict[str, ComponentFunnel]:
    funnels: dict[str, ComponentFunnel] = {}
    for group in groups:
        documents, size, rule = group["bytes_count"], group["bytes_sum"], group["rule"]
        one = ComponentFunnel(
            documents_in=documents,
            bytes_in=size,
            rejected={rule: Count(documents=documents, bytes=size)} if rule else {},
            documents=0 if rule else documents,
            bytes=0 if rule else size,
        )
        name = group["component"]
        funnels[name] = funnels.get(name, ComponentFunnel()) + one
    return dict(sorted(funnels.items()))


def _kept(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is left for tokenize: documents and bytes by component and held-out or not."""
    left = [
        {
            "component": group["component"],
            "heldout": group["heldout"],
            "documents": group["bytes_count"],
            "bytes": group["bytes_sum"],
        }
        for group in groups
        if group["rule"] is None
    ]
    return sorted(left, key=lambda group: (group["component"], group["heldout"]))
