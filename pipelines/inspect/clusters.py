"""Clusters of near-duplicates, side by side: the largest ones, and a sample that never changes."""

import difflib
from collections.abc import Callable
from itertools import zip_longest
from operator import itemgetter
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from manifests.console import formatting
from manifests.console.output import printable, unwrapped
from manifests.errors import UsageError
from manifests.io.parquet import read_table
from manifests.lineage.chain import Chain
from pipelines.inspect.tables import DocumentTable, Row, document_tables, duplicate_tables, take_row

CLUSTERS = 3
"""Default number of the largest clusters, and of clusters in the sample."""

LINES = 20
"""Maximum number of lines of a comparison."""

MAX_COMPARED = 2000
"""Lines of a text that are compared. Ours: difflib takes quadratic time."""

BY_ID = itemgetter("kept_id", "similarity", "id")
"""Sort key of the sample: ids are hashes, so the smallest ids are a fair sample."""

ORDERS: dict[str, Callable[[Row], Any]] = {
    "largest": lambda row: (-row["cluster_size"], *BY_ID(row)),
    "sample": BY_ID,
}
"""Selection of clusters -> sort key of rows of duplicates/."""


def sample_clusters(chain: Chain, most: int = CLUSTERS) -> dict[str, Any]:
    """Return some clusters, each as the document that is kept and its least similar duplicate.

    Args:
        chain: as `load_chain` returns it.
        most: maximum number of the largest clusters, and of clusters in the sample.

    Returns:
        `largest` and `sample`: lists of size, rule, similarity, and `stays` and `goes`, each with
        id, component, path and text; the latter three are null without documents/.

    Raises:
        UsageError: the chain holds no dedup.
    """
    if chain.link("dedup") is None:
        raise UsageError(f"{chain.last.directory}: holds no dedup, so there are no clusters")
    selected: dict[str, list[Row]] = {kind: [] for kind in ORDERS}
    for table in duplicate_tables(chain):
        rows = [{**row, "part": table.number} for row in read_table(table.url).to_pylist()]
        for kind, order in ORDERS.items():
            ordered = sorted([*selected[kind], *rows], key=order)
            selected[kind] = _first_of_clusters(ordered)[:most]
    documents = {table.number: table for table in document_tables(chain)}
    return {kind: [_cluster(row, documents) for row in rows] for kind, rows in selected.items()}


def _first_of_clusters(rows: list[Row]) -> list[Row]:
    """Return the first row of each cluster."""
    clusters: dict[tuple[int, int], Row] = {}
    for row in rows:
        clusters.setdefault((row["kept_part"], row["kept_row"]), row)
    return list(clusters.values())


def _cluster(row: Row, documents: dict[int, DocumentTable]) -> Row:
    """Return a cluster for JSON, from a row of duplicates/."""
    return {
        "size": row["cluster_size"],
        "rule": row["rule"],
        "similarity": row["similarity"],
        "stays": {"id": row["kept_id"].hex(), **_document(documents, row, "kept_")},
        "goes": {"id": row["id"].hex(), **_document(documents, row, "")},
    }


def _document(documents: dict[int, DocumentTable], row: Row, prefix: str) -> Row:
    """Return a duplicate, or with `kept_` the kept document; nulls without documents/."""
    table = documents.get(row[f"{prefix}part"])
    columns = ["component", "path", "text"]
    return take_row(table, row[f"{prefix}row"], columns) if table else dict.fromkeys(columns)


def render_clusters(clusters: dict[str, Any]) -> RenderableType:
    """Return what `inspect --clusters` prints."""
    blocks: list[RenderableType] = []
    for kind, heading in (("largest", "The largest clusters"), ("sample", "A sample of clusters")):
        blocks += [Text(heading, style="bold")]
        for cluster in clusters[kind]:
            blocks += [_headline(cluster), _side_by_side(cluster), Text()]
    return Group(*blocks) if clusters["largest"] else unwrapped("there are no duplicates")


def _headline(cluster: Row) -> Text:
    """Return the size, the rule and both documents of a cluster."""
    lines = [
        f"{formatting.plural(cluster['size'], 'document')}; rule {cluster['rule']}, "
        f"similarity {cluster['similarity']:.2f} of the least similar to what stays"
    ]
    for side in ("stays", "goes"):
        document = cluster[side]
        place = f"{document['component'] or ''} {document['path'] or ''}"
        if side == "stays" and cluster["rule"] == "previous_corpus":
            place = "in a previous corpus"
        lines.append(f"  {side:<6} {document['id']}  {place}")
    return unwrapped("\n".join(lines))


def _side_by_side(cluster: Row) -> RenderableType:
    """Return the differing lines of the two texts of a cluster as a table."""
    left, right = cluster["stays"]["text"], cluster["goes"]["text"]
    if left is None or right is None:
        return unwrapped("  one of the texts is not here")
    if left == right:
        return unwrapped("  the texts are equal")
    table = Table("stays", "goes", show_edge=False, box=None, padding=(0, 1))
    rows = _differences(left.splitlines(), right.splitlines())
    for left_line, right_line in rows[:LINES]:
        table.add_row(
            Text(printable(left_line), overflow="ellipsis", no_wrap=True),
            Text(printable(right_line), no_wrap=True),
        )
    more = len(rows) - LINES
    return Group(table, unwrapped(f"  and {more} more lines")) if more > 0 else table


def _differences(left: list[str], right: list[str]) -> list[tuple[str, str]]:
    """Return pairs of the lines that differ."""
    matcher = difflib.SequenceMatcher(None, left[:MAX_COMPARED], right[:MAX_COMPARED])
    return [
        pair
        for kind, a, b, c, d in matcher.get_opcodes()
        if kind != "equal"
        for pair in zip_longest(left[a:b], right[c:d], fillvalue="")
    ]
