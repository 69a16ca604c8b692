"""duplicates/: the documents of each part that are removed, and the one that is kept instead."""

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from filters.dedup.union_find import parts_and_rows
from manifests.io import files
from manifests.io.digest import short_digest
from manifests.io.parquet import read_table, write_table
from manifests.lineage.receipts import (
    ComponentFunnel,
    Count,
    Receipt,
    file_record,
    save_receipt,
)
from manifests.schemas import DUPLICATES
from pipelines.dedup.deduplication import CLUSTERS, Deduplication
from pipelines.dedup.parts import DocumentsPart, SignedPart
from pipelines.dedup.rank_clusters import read_duplicates

DUPLICATES_STEP = "duplicates"

LARGEST = 3
"""Clusters of a part that its receipt names, for the message of `check_losses`."""


class Group(NamedTuple):
    """Documents of a part with the same component, split and rule."""

    component: str
    heldout: bool
    rule: str | None
    """The rule that removes the documents; None if they are kept."""
    bytes: int
    documents: int


class Loss(NamedTuple):
    """Documents of a part that a rule removes as duplicates of documents of one source."""

    sources: str
    """The source of the documents -> the source of the kept documents."""
    rule: str
    within: bool
    """Whether both are the same source of this corpus."""
    documents: int


def receipt_name(part: str, digest: str) -> str:
    """Return the name of the receipt of a part's duplicates. They depend on all parts."""
    return short_digest([DUPLICATES_STEP, part, digest])


class ListDuplicates:
    """Step that writes duplicates/ and a receipt for each part of documents/."""

    def __init__(self, dedup: Deduplication) -> None:
        """List the duplicates of `dedup`, whose clusters are found."""
        self.dedup, self.directory = dedup, dedup.directory

    def setup(self) -> None:
        """Load nothing: engines may call this before the clusters are found."""

    @cached_property
    def _parts(self) -> dict[int, SignedPart]:
        """Number -> part, of this corpus and of previous ones."""
        return {part.part: part for part in self.dedup.parts()}

    @cached_property
    def _clusters(self) -> list[str]:
        """Paths of the files of duplicates."""
        receipt = self.dedup.done(CLUSTERS)
        assert receipt is not None
        return sorted(receipt.files)

    def receipts(self, row: DocumentsPart) -> Iterator[str]:
        """Yield the name of the only receipt."""
        yield receipt_name(row["name"], self.dedup.digest)

    def work(self, row: DocumentsPart) -> Iterator[Receipt]:
        """Write the duplicates of a part, and count them."""
        path = f"{DUPLICATES_STEP}/{row['name']}.parquet"
        duplicates = self._duplicates(row["part"])
        write_table(self.dedup.url(path), duplicates, compression="zstd")
        groups = self._groups(row["name"], duplicates)
        losses = self._losses(row["source"], duplicates)
        funnels = _funnels(groups)
        receipt = Receipt(
            name=next(self.receipts(row)),
            step=DUPLICATES_STEP,
            digest=self.dedup.digest,
            files={path: file_record(self.directory, path)},
            counts={"lost_to": _sum((loss.sources, loss.documents) for loss in losses)},
            funnel={row["source"]: funnels} if funnels else {},
            extra={
                "kept": _kept(groups),
                "within": _sum((loss.rule, loss.documents) for loss in losses if loss.within),
                "largest": _largest(duplicates),
            },
        )
        save_receipt(self.directory, receipt)
        yield receipt

    def _duplicates(self, part: int) -> pa.Table:
        """Return the table of duplicates/ for a part."""
        table = read_duplicates(self.dedup, self._clusters, part)
        _, rows = parts_and_rows(table["address"].to_numpy())
        kept_parts, kept_rows = parts_and_rows(table["kept"].to_numpy())
        return pa.table(
            {
                "row": rows,
                "id": self._parts[part].read(["id"])["id"].take(pa.array(rows)),
                "kept_part": kept_parts,
                "kept_row": kept_rows,
                "kept_id": table["kept_id"],
                "cluster_size": table["size"],
                "similarity": table["similarity"],
                "rule": table["rule"],
            },
            schema=DUPLICATES,
        )

    def _groups(self, name: str, duplicates: pa.Table) -> list[Group]:
        """Count the documents of a part by component, split and rule."""
        url = files.join(self.dedup.documents, f"{name}.parquet")
        documents = read_table(url, ["component", "bytes", "heldout"])
        rules = np.full(documents.num_rows, None, object)
        rules[duplicates["row"].to_numpy()] = duplicates["rule"].to_pylist()
        counted = (
            documents.append_column("rule", pa.array(rules, pa.string()))
            .group_by(["component", "heldout", "rule"], use_threads=False)
            .aggregate([("bytes", "sum"), ("bytes", "count")])
        )
        return [Group(*row.values()) for row in counted.to_pylist()]

    def _losses(self, source: str, duplicates: pa.Table) -> list[Loss]:
        """Count the duplicates of a part by the part of the kept document, and by rule."""
        # Threads of Arrow never hold the columns of this table: they are NumPy arrays.
        groups = duplicates.group_by(["kept_part", "rule"], use_threads=False)
        counted = groups.aggregate([("row", "count")])
        losses = []
        for kept_part, rule, documents in zip(*counted.to_pydict().values(), strict=True):
            kept = self._parts[kept_part]
            name = f"{kept.source} (previous corpus)" if kept.previous else kept.source
            within = not kept.previous and kept.source == source
            losses.append(Loss(f"{source} -> {name}", rule, within, documents))
        return losses


def _sum(counts: Iterator[tuple[str, int]]) -> dict[str, int]:
    """Add up counts by name."""
    total: Counter[str] = Counter()
    for name, count in counts:
        total[name] += count
    return dict(sorted(total.items()))


def _largest(duplicates: pa.Table) -> list[tuple[int, str]]:
    """Return the size and the id of the kept document of the largest clusters of a part."""
    clusters = duplicates.group_by(["cluster_size", "kept_id"], use_threads=False)
    order = [("cluster_size", "descending"), ("kept_id", "ascending")]
    rows = clusters.aggregate([]).sort_by(order).slice(0, LARGEST).to_pylist()
    return [(row["cluster_size"], row["kept_id"].hex()) for row in rows]


def _funnels(groups: list[Group]) -> dict[str, ComponentFunnel]:
    """Return component -> its funnel."""
    funnels: dict[str, ComponentFunnel] = {}
    for group in groups:
        removed = Count(documents=group.documents, bytes=group.bytes)
        funnel = ComponentFunnel(
            documents_in=group.documents,
            bytes_in=group.bytes,
            rejected={group.rule: removed} if group.rule else {},
            documents=0 if group.rule else group.documents,
            bytes=0 if group.rule else group.bytes,
        )
        funnels[group.component] = funnels.get(group.component, ComponentFunnel()) + funnel
    return dict(sorted(funnels.items()))


def _kept(groups: list[Group]) -> list[dict[str, object]]:
    """Return the kept documents and bytes by component and split, which tokenize reads."""
    kept = sorted(group for group in groups if group.rule is None)
    fields = ("component", "heldout", "documents", "bytes")
    return [{field: getattr(group, field) for field in fields} for group in kept]
