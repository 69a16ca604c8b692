"""Clusters of near-duplicates, side by side: the largest, and a sample that is always the same."""

import difflib
from itertools import zip_longest
from typing import Any

import pyarrow as pa
from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from manifests.console import formatting
from manifests.console.output import printable, unwrapped
from manifests.errors import UsageError
from manifests.io import files
from manifests.io.parquet import read_table
from manifests.lineage.chain import Chain
from pipelines.inspect.find import Row, Table, document_tables, duplicate_tables, take_row

CLUSTERS = 3
"""Of the largest, and of the sample, when nobody says how many."""

LINES = 20
"""Lines of a comparison that are shown."""


def clusters(chain: Chain, most: int = CLUSTERS) -> dict[str, Any]:
    """Return some clusters, each by the copy that stays and the least similar one that goes.

    Args:
        chain: as `load_chain` returns it.
        most: clusters of each kind.

    Returns:
        `largest` and `sample`: lists of size, rule, similarity, ids, and both texts, null where
        documents/ is not here. The sample has the smallest ids: they are hashes.

    Raises:
        UsageError: the chain holds no dedup.
    """
    if chain.link("dedup") is None:
        raise UsageError(f"{chain.last.directory}: holds no dedup, so there are no clusters")
    tables = duplicate_tables(chain)
    largest: list[Row] = []
    sample: list[Row] = []
    for table in tables:
        found = _of_part(table)
        largest = _first(largest, found, [("cluster_size", "descending"), *_KEPT], most)
        sample = _first(sample, found, _KEPT, most)
    documents = {table.about["part"]: table for table in document_tables(chain)}
    return {
        "largest": [_shown(row, documents) for row in largest],
        "sample": [_shown(row, documents) for row in sample],
    }


def render(told: dict[str, Any]) -> RenderableType:
    """Return what `inspect --clusters` prints."""
    blocks: list[RenderableType] = []
    for kind, heading in (("largest", "The largest clusters"), ("sample", "A sample of clusters")):
        blocks += [Text(heading, style="bold")]
        for cluster in told[kind]:
            blocks += [_headline(cluster), _side_by_side(cluster), Text()]
    return Group(*blocks) if told["largest"] else unwrapped("there are no duplicates")


_KEPT = [("kept_id", "ascending"), ("similarity", "ascending"), ("id", "ascending")]


def _of_part(table: Table) -> pa.Table:
    """Return a part's duplicates, with its number."""
    found = read_table(table.url)
    return found.append_column("part", pa.array([table.about["part"]] * found.num_rows, pa.int64()))


def _first(
    before: list[Row], found: pa.Table, order: list[tuple[str, str]], most: int
) -> list[Row]:
    """Return the first `most` of rows, at most one of each cluster."""
    clusters: dict[tuple[int, int], Row] = {}
    ordered = found.sort_by(order)
    for place in range(ordered.num_rows):
        row = ordered.slice(place, 1).to_pylist()[0]
        clusters.setdefault((row["kept_part"], row["kept_row"]), row)
        if len(clusters) == most:
            break
    for row in before:
        key = (row["kept_part"], row["kept_row"])
        clusters[key] = min(row, clusters.get(key, row), key=lambda each: each["similarity"])
    rows = pa.Table.from_pylist(list(clusters.values()), schema=found.schema)
    kept: list[Row] = rows.sort_by(order).slice(0, most).to_pylist()
    return kept


def _shown(row: Row, documents: dict[int, Table]) -> Row:
    return {
        "size": row["cluster_size"],
        "rule": row["rule"],
        "similarity": row["similarity"],
        "stays": {"id": row["kept_id"].hex(), **_document(documents, row, "kept_")},
        "goes": {"id": row["id"].hex(), **_document(documents, row, "")},
    }


def _document(documents: dict[int, Table], row: Row, which: str) -> Row:
    table = documents.get(row[f"{which}part"])
    columns = ["component", "path", "text"]
    if table is None or not files.exists(table.url):
        return dict.fromkeys(columns)
    return take_row(table, row[f"{which}row"], columns)


def _headline(cluster: Row) -> Text:
    lines = [
        f"{formatting.plural(cluster['size'], 'document')}; rule {cluster['rule']}, "
        f"similarity {cluster['similarity']:.2f} of the least similar to what stays"
    ]
    for which in ("stays", "goes"):
        each = cluster[which]
        place = f"{each['component'] or ''} {each['path'] or ''}"
        if which == "stays" and cluster["rule"] == "previous_corpus":
            place = "in a previous corpus"
        lines.append(f"  {which:<6} {each['id']}  {place}")
    return unwrapped("\n".join(lines))


def _side_by_side(cluster: Row) -> RenderableType:
    left, right = cluster["stays"]["text"], cluster["goes"]["text"]
    if left is None or right is None:
        return unwrapped("  one of the texts is not here")
    if left == right:
        return unwrapped("  the texts are equal")
    table = RichTable("stays", "goes", show_edge=False, box=None, padding=(0, 1))
    rows = _differences(left.splitlines(), right.splitlines())
    for mine, other in rows[:LINES]:
        table.add_row(
            Text(printable(mine), overflow="ellipsis", no_wrap=True),
            Text(printable(other), no_wrap=True),
        )
    more = len(rows) - LINES
    return Group(table, unwrapped(f"  and {more} more lines")) if more > 0 else table


def _differences(left: list[str], right: list[str]) -> list[tuple[str, str]]:
    """Return the lines that differ, next to each other, without those that are equal."""
    matcher = difflib.SequenceMatcher(None, left[:2000], right[:2000], autojunk=True)
    return [
        (mine, other)
        for kind, a, b, c, d in matcher.get_opcodes()
        if kind != "equal"
        for mine, other in zip_longest(left[a:b], right[c:d], fillvalue="")
    ]
