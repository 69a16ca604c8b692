"""duplicates/: the documents of each part that go, and which one stays instead."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests import files
from manifests.canonical import short_digest
from manifests.receipts import ComponentFunnel, Count, Funnel, Receipt, file_record, save_receipt
from manifests.schemas import DUPLICATES
from pipelines.plan import read_rows
from pipelines.signatures import band_hashes, signature_path

STEP = "duplicates"

COMPARED = ["id", "exact", "normalized", "bands"]


def receipt_name(part: str, digest: str) -> str:
    """Return the name of the receipt of a part's duplicates: they depend on all parts."""
    return short_digest([STEP, part, digest])


@dataclass
class ListDuplicates:
    """Makes duplicates/ and a receipt of each part of documents/."""

    directory: str
    """dedup/."""
    documents: str
    """license_filter/documents/."""
    table: str
    """All parts: a duplicate's survivor may be in any."""
    clusters: str
    """The clusters' file, relative to dedup/."""
    digest: str
    """The step digest."""

    def setup(self) -> None:
        """Read which signatures belong to which part."""
        self._signatures = {row["part"]: row["signature"] for row in read_rows(self.table)}

    def receipts(self, row: dict[str, Any]) -> Iterator[str]:
        """Yield the one name."""
        yield receipt_name(row["name"], self.digest)

    def work(self, row: dict[str, Any]) -> Iterator[Receipt]:
        """Look a part up in the clusters and compare each duplicate with what stays."""
        path = f"duplicates/{row['name']}.parquet"
        gone = self._gone(row)
        with files.replacing(files.join(self.directory, path)) as output:
            pq.write_table(gone, output, compression="zstd")
        funnel, extra = self._count(row, gone)
        receipt = Receipt(
            name=next(self.receipts(row)),
            step=STEP,
            digest=self.digest,
            files={path: file_record(self.directory, path)},
            funnel=funnel,
            extra=extra,
        )
        save_receipt(self.directory, receipt)
        yield receipt

    def _gone(self, row: dict[str, Any]) -> pa.Table:
        part = row["part"]
        with files.open_input(files.join(self.directory, self.clusters)) as source:
            found = pq.read_table(
                source,
                filters=(pc.field("address") >= pa.scalar(part << 32, pa.uint64()))
                & (pc.field("address") <= pa.scalar(part << 32 | 0xFFFFFFFF, pa.uint64())),
            )
        rows = (found["address"].to_numpy() & np.uint64(0xFFFFFFFF)).astype(np.int64)
        kept = found["kept"].to_numpy()
        own = self._signed(part, rows)
        kept_parts = (kept >> np.uint64(32)).astype(np.int64)
        kept_rows = (kept & np.uint64(0xFFFFFFFF)).astype(np.int64)
        others = self._signed_at(kept_parts, kept_rows)
        rules, similarity = _compare(own, others)
        return pa.table(
            {
                "row": rows.astype(np.uint32),
                "id": own["id"],
                "kept_part": kept_parts.astype(np.uint32),
                "kept_row": kept_rows.astype(np.uint32),
                "kept_id": others["id"],
                "cluster_size": found["size"],
                "similarity": similarity,
                "rule": rules,
            },
            schema=DUPLICATES,
        )

    def _signed(self, part: int, rows: np.ndarray[Any, Any]) -> pa.Table:
        url = files.join(self.directory, signature_path(self._signatures[part]))
        with files.open_input(url) as source:
            return pq.read_table(source, columns=COMPARED).take(pa.array(rows))

    def _signed_at(self, parts: np.ndarray[Any, Any], rows: np.ndarray[Any, Any]) -> pa.Table:
        """Signatures at addresses in any parts, each part read once, in the addresses' order."""
        order = np.argsort(parts, kind="stable")
        taken = [self._signed(int(p), rows[order][parts[order] == p]) for p in np.unique(parts)]
        if not taken:
            return self._signed(next(iter(self._signatures)), rows)
        return pa.concat_tables(taken).take(pa.array(np.argsort(order, kind="stable")))

    def _count(self, row: dict[str, Any], gone: pa.Table) -> tuple[Funnel, dict[str, Any]]:
        url = files.join(self.documents, f"{row['name']}.parquet")
        with files.open_input(url) as source:
            documents = pq.read_table(source, columns=["component", "bytes", "heldout"])
        rules: list[str | None] = [None] * documents.num_rows
        for place, rule in zip(gone["row"].to_pylist(), gone["rule"].to_pylist(), strict=True):
            rules[place] = rule
        counted = documents.append_column("rule", pa.array(rules, pa.string()))
        groups = (
            counted.group_by(["component", "heldout", "rule"])
            .aggregate([("bytes", "sum"), ("bytes", "count")])
            .to_pylist()
        )
        return {row["source"]: _funnels(groups)} if groups else {}, {"kept": _kept(groups)}


def _compare(own: pa.Table, others: pa.Table) -> tuple[list[str], pa.Array]:
    """Return the rule of each pair, and its similarity: the share of equal bands, 1 where equal."""

    def equal(column: str) -> list[bool]:
        pairs = zip(own[column].to_pylist(), others[column].to_pylist(), strict=True)
        return [mine == other for mine, other in pairs]

    exact, normalized = equal("exact"), equal("normalized")
    rules = [
        "exact" if same else "normalized" if alike else "minhash"
        for same, alike in zip(exact, normalized, strict=True)
    ]
    shares = (band_hashes(own) == band_hashes(others)).mean(axis=1, dtype=np.float64)
    similarity = np.where(normalized, 1.0, shares) if rules else shares
    return rules, pa.array(similarity.astype(np.float32))


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
