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
from manifests.lineage.counting import count_documents, funnels
from manifests.lineage.receipts import Count, write_receipt
from manifests.schemas import DUPLICATES
from pipelines.dedup.deduplication import Deduplication
from pipelines.dedup.packed_rows import unpack
from pipelines.dedup.parts import DocumentsPart, SignedPart
from pipelines.dedup.removed_documents import MOVED, RULES, RemovedPart
from pipelines.runtime.step import Step

DUPLICATES_STEP = "duplicates"

LARGEST = 3
"""Clusters of a part that its receipt names, and that the message of `check_losses` names."""

Groups = list[tuple[str, bool, str | None, Count]]
"""Component, split, the rule that removes documents (None if they are kept), and the documents."""


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


class ListDuplicates(Step[RemovedPart]):
    """Step that writes duplicates/ and a receipt for each part of documents/."""

    def __init__(self, dedup: Deduplication) -> None:
        """List the duplicates of `dedup`, whose clusters are found."""
        self.dedup, self.directory = dedup, dedup.directory

    @cached_property
    def _parts(self) -> dict[int, SignedPart]:
        """Number -> part, of this corpus and of previous ones.

        Engines may call `setup` before the clusters are found, so it cannot load these.
        """
        return {part.part: part for part in self.dedup.parts()}

    def receipts(self, row: DocumentsPart) -> Iterator[str]:
        """Yield the name of the only receipt."""
        yield receipt_name(row["name"], self.dedup.digest)

    def work(self, row: RemovedPart) -> None:
        """Write the duplicates of a part, and count them."""
        path = f"{DUPLICATES_STEP}/{row['name']}.parquet"
        removed = unpack([row["removed"]], MOVED).sort_by("address").combine_chunks()
        duplicates = self._duplicates(row["part"], removed)
        write_table(self.dedup.url(path), duplicates, compression="zstd")
        groups = self._groups(row["name"], duplicates)
        losses = self._losses(row["source"], duplicates)
        by_component = funnels((component, rule, count) for component, _, rule, count in groups)
        write_receipt(
            self.directory,
            [path],
            name=next(self.receipts(row)),
            step=DUPLICATES_STEP,
            digest=self.dedup.digest,
            counts={"lost_to": _sum((loss.sources, loss.documents) for loss in losses)},
            funnel={row["source"]: by_component} if by_component else {},
            extra={
                "kept": _kept(groups),
                "within": _sum((loss.rule, loss.documents) for loss in losses if loss.within),
                "largest": _largest(duplicates),
            },
        )

    def _duplicates(self, part: int, table: pa.Table) -> pa.Table:
        """Return the table of duplicates/ for a part, of rows of MOVED ordered by address."""
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
                "rule": pa.array(RULES).take(table["rule"]),
            },
            schema=DUPLICATES,
        )

    def _groups(self, name: str, duplicates: pa.Table) -> Groups:
        """Count the documents of a part by component, split and rule."""
        url = files.join(self.dedup.documents, f"{name}.parquet")
        documents = read_table(url, ["component", "bytes", "heldout"])
        rules = np.full(documents.num_rows, None, object)
        rules[duplicates["row"].to_numpy()] = duplicates["rule"].to_pylist()
        ruled = documents.append_column("rule", pa.array(rules, pa.string()))
        return count_documents(ruled, ["component", "heldout", "rule"])

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


def _kept(groups: Groups) -> list[dict[str, object]]:
    """Return the kept documents and bytes by component and split, which tokenize reads."""
    kept = sorted((name, heldout, count) for name, heldout, rule, count in groups if rule is None)
    return [
        {"component": name, "heldout": heldout, **count.model_dump()}
        for name, heldout, count in kept
    ]
