"""One document: its text, its origin, and why it was kept or rejected."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.rule import Rule

from manifests.console import formatting
from manifests.console.output import unwrapped
from manifests.dataset.dataset import Dataset
from manifests.lineage.chain import Chain
from manifests.tokenizer.tokenizer import decode, load_tokenizer
from pipelines.inspect import forgotten, originals
from pipelines.inspect.find import find_id, rows_with
from pipelines.inspect.tables import (
    DocumentTable,
    Row,
    StoredDocument,
    decision_tables,
    document_tables,
    duplicate_tables,
    shard_tables,
    stored_document,
    take_row,
)

ORIGIN = ("source", "component", "repositories", "path", "license", "license_layer", "stars")
"""Columns of documents/ about a document's origin."""

DECISION = ("input_row", "id", "component", "bytes", "kept", "rule", "evidence")
"""Columns of decisions/ that are not scores."""

TEXT_FROM = {
    "documents": "from documents/",
    "tokens": "decoded from its tokens",
    "input": "from its input",
}
"""Where a text is from -> how it is printed."""


@dataclass
class Duplicate:
    """Why dedup removed a document: a row of duplicates/, and the document that is kept.

    Attributes:
        kept_id: id of the document that is kept, hexadecimal.
        rule: how the duplicate was found.
        similarity: Jaccard similarity to the document that is kept.
        cluster_size: documents of the cluster.
        kept_component, kept_repositories, kept_path, kept_license: origin of the document that is
            kept; None without documents/.
    """

    kept_id: str
    rule: str
    similarity: float
    cluster_size: int
    kept_component: str | None = None
    kept_repositories: list[str] | None = None
    kept_path: str | None = None
    kept_license: str | None = None


@dataclass
class Decision:
    """A row of decisions/, and of duplicates/ if dedup removed the document.

    Attributes:
        part: name of the part.
        source, input, input_row: where the row came in.
        component: `source/slug`.
        bytes: length of the text as UTF-8.
        kept: whether license_filter kept the row.
        rule: the rule that rejected the row; None if it is kept.
        evidence: license, layer, policy and detail, as in decisions/.
        scores: document filter -> score; only filters that acted on the document.
        document_row: row of documents/; None if license_filter rejected the row.
        duplicate: why dedup removed the document; None if it is kept.
    """

    part: str
    source: str
    input: str
    input_row: int
    component: str
    bytes: int
    kept: bool
    rule: str | None
    evidence: dict[str, str | None] | None
    scores: dict[str, float]
    document_row: int | None = None
    duplicate: Duplicate | None = None


def describe_document(chain: Chain, query: str) -> dict[str, Any]:
    """Return all that a chain knows of a document, as plain values for JSON.

    Args:
        chain: as `load_chain` returns it.
        query: an id of 32 hexadecimal digits, a prefix that only one id has, or a path.

    Returns:
        id; why (a sentence); forgotten; origin; text and text_from (`documents`, `tokens`, or for a
        rejected document `input` if the input is unchanged); shards: each a `StoredDocument`; and
        occurrences: a `Decision` for each row with this id, because sources repeat documents.

    Raises:
        UsageError: no document fits, or several documents fit.
    """
    id = find_id(chain, query)
    documents = rows_with(document_tables(chain), "id", id)
    duplicates: dict[tuple[str, int], Duplicate] = {}
    for table, row in rows_with(duplicate_tables(chain), "id", id):
        values = take_row(table, row)
        duplicates[table.name, values["row"]] = _duplicate(chain, values)
    stored = [stored_document(chain, *row) for row in rows_with(shard_tables(chain), "id", id)]
    decisions = [_decision(*row) for row in rows_with(decision_tables(chain), "id", id)]
    kept = (decision for decision in decisions if decision.kept)
    for decision, (table, row) in zip(kept, documents, strict=False):
        decision.document_row = row
        decision.duplicate = duplicates.get((table.name, row))
    origin, text, text_from = _content(chain, documents, stored)
    is_forgotten = id in forgotten.forgotten_ids(chain)
    if is_forgotten:
        text = text_from = None
    elif text is None and (text := _text_from_input(chain, decisions)) is not None:
        text_from = "input"
    return {
        "id": id.hex(),
        "why": _why(decisions, stored),
        "forgotten": is_forgotten,
        "origin": origin,
        "occurrences": [asdict(decision) for decision in decisions],
        "shards": [asdict(document) for document in stored],
        "text": text,
        "text_from": text_from,
    }


def _content(
    chain: Chain, documents: list[tuple[DocumentTable, int]], stored: list[StoredDocument]
) -> tuple[Row, str | None, str | None]:
    """Return (origin, text, text_from) from documents/ if it is there, else from the tokens."""
    if documents:
        origin = take_row(*documents[0], [*ORIGIN, "bytes", "heldout", "text"])
        return origin, origin.pop("text"), "documents"
    if stored:
        values = asdict(stored[0])
        origin = {name: values[name] for name in ORIGIN if name in values}
        return origin, stored_text(chain, stored[0]), "tokens"
    return {}, None, None


def _text_from_input(chain: Chain, decisions: list[Decision]) -> str | None:
    """Return the text of a rejected document, which no output holds."""
    rows = [
        originals.InputRow(decision.source, decision.input, decision.input_row, decision.bytes)
        for decision in decisions
        if not decision.kept
    ]
    return next(iter(originals.texts(chain, rows).values()), None)


def stored_text(chain: Chain, document: StoredDocument) -> str:
    """Return the text of a document of a shard, decoded from its tokens."""
    dataset = Dataset.open(chain.last.directory)
    reader = dataset.component(document.component, document.heldout).reader
    shards = dataset.shard_range(document.component, document.heldout)
    preceding = dataset.block_range(range(shards.start, document.number))
    block, start = len(preceding) + document.block, document.start
    tokens: list[int] = []
    while left := document.tokens - len(tokens):
        stop = min(int(reader.offsets(block)[-1]), start + left)
        tokens += reader.tokens(block, start, stop).tolist()
        block, start = block + 1, 0
    return decode(load_tokenizer(dataset.tokenizer_path), tokens)


def _decision(table: DocumentTable, row: int) -> Decision:
    """Return a row of decisions/."""
    columns = take_row(table, row)
    values = {name: columns.pop(name) for name in DECISION}
    del values["id"]
    scores = {name: v for name, v in columns.items() if v is not None and not math.isnan(v)}
    return Decision(table.name, table.source, table.input, **values, scores=scores)


def _duplicate(chain: Chain, values: Row) -> Duplicate:
    """Return a row of duplicates/ with the origin of the kept document."""
    kept = next((t for t in document_tables(chain) if t.number == values["kept_part"]), None)
    names = ["component", "repositories", "path", "license"]
    origin = take_row(kept, values["kept_row"], names) if kept else {}
    return Duplicate(
        values["kept_id"].hex(),
        values["rule"],
        round(values["similarity"], 4),
        values["cluster_size"],
        **{f"kept_{name}": value for name, value in origin.items()},
    )


def _why(decisions: list[Decision], stored: list[StoredDocument]) -> str:
    """Return why a document is kept or not, as a sentence about its best row."""
    if not decisions:
        place = f"{stored[0].shard}, block {stored[0].block}" if stored else "nowhere"
        return f"kept: it is in {place}; the tables that say why are missing"
    kept = (decision for decision in decisions if decision.kept and not decision.duplicate)
    why = _why_decision(next(kept, decisions[0]))
    others = len(decisions) - 1
    return f"{why} ({formatting.plural(others, 'other row')} with the same id)" if others else why


def _why_decision(decision: Decision) -> str:
    """Return the verdict of a row, with its license and its rule."""
    evidence = decision.evidence or {}
    license = evidence.get("license") or "no known license"
    layer, policy = evidence.get("layer"), evidence.get("policy")
    judged = f"{license}, known from its {layer}, judged by {policy}"
    if not decision.kept:
        return f"rejected by license_filter: {decision.rule} ({judged})"
    duplicate = decision.duplicate
    if duplicate is None:
        return f"kept ({judged})"
    origin = " ".join([*(duplicate.kept_repositories or []), duplicate.kept_path or ""]).strip()
    kept = f"{duplicate.kept_id} ({origin})" if origin else duplicate.kept_id
    return (
        f"removed by dedup: {duplicate.rule} copy of {kept}, similarity "
        f"{duplicate.similarity:.2f}, in a cluster of {duplicate.cluster_size}"
    )


def render_document(description: dict[str, Any]) -> RenderableType:
    """Return what `show` prints."""
    lines = [f"id           {description['id']}", f"why          {description['why']}"]
    for name, value in description["origin"].items():
        text = ", ".join(value) if isinstance(value, list) else value
        lines.append(f"{name:<12} {'unknown' if text is None else text}")
    for row in description["occurrences"]:
        lines.append(f"input        {row['source']}: {row['input']}, row {row['input_row']}")
        scores = ", ".join(f"{name} {value:.4g}" for name, value in row["scores"].items())
        lines += [f"scores       {scores}"] if scores else []
    for row in description["shards"]:
        lines.append(
            f"shard        {row['shard']}, block {row['block']}, token {row['start']}, "
            f"{formatting.plural(row['tokens'], 'token')}"
        )
        lines += [f"forgotten    {', '.join(row['forgotten'])}"] if row["forgotten"] else []
    content: list[RenderableType] = []
    if description["forgotten"]:
        lines.append("The document is forgotten: its text is not shown.")
    elif description["text"] is None:
        lines.append(
            "The text is not available: its input or documents/ is missing or changed, or the "
            "input needs the packages of stackpile[prepare]."
        )
    else:
        source = TEXT_FROM[description["text_from"]]
        content = [Rule(f"text, {source}"), unwrapped(description["text"])]
    return Group(unwrapped("\n".join(lines)), *content)
