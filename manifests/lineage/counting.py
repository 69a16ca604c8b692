"""Counts of the rows of tables of documents, and funnels made of the counts."""

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from manifests.lineage.receipts import ComponentFunnel, Count


def count_documents(
    table: pa.Table, keys: Sequence[str], size: str = "bytes"
) -> list[tuple[Any, ...]]:
    """Return the distinct values of some columns, and with them the `Count` of their documents.

    Args:
        table: a row for each document.
        keys: columns.
        size: column of the sizes, without nulls.
    """
    # Threads of Arrow never hold the columns of this table: they may be NumPy arrays.
    groups = table.group_by(list(keys), use_threads=False)
    counted = groups.aggregate([(size, "count"), (size, "sum")]).to_pydict().values()
    return [
        (*values, Count(documents=documents, bytes=total))
        for *values, documents, total in zip(*counted, strict=True)
    ]


def funnels(counts: Iterable[tuple[str, str | None, Count]]) -> dict[str, ComponentFunnel]:
    """Return component -> funnel of (component, rule, documents); no rule for kept documents."""
    total: dict[str, ComponentFunnel] = {}
    for component, rule, count in counts:
        kept = Count() if rule else count
        funnel = ComponentFunnel(
            documents_in=count.documents,
            bytes_in=count.bytes,
            rejected={rule: count} if rule else {},
            documents=kept.documents,
            bytes=kept.bytes,
        )
        total[component] = total.get(component, ComponentFunnel()) + funnel
    return dict(sorted(total.items()))
