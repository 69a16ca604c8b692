"""One document: its text, where it came from, and why it was kept or rejected."""

from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.rule import Rule

from manifests.console import formatting
from manifests.console.output import unwrapped
from manifests.dataset.dataset import Dataset
from manifests.io.parquet import read_table
from manifests.lineage.chain import Chain
from manifests.tokenizer.tokenizer import decode, load_tokenizer
from pipelines.inspect import forgotten, originals
from pipelines.inspect.find import (
    Row,
    Table,
    decision_tables,
    document_tables,
    duplicate_tables,
    find_id,
    rows_with_id,
    shard_tables,
    stored_row,
    take_row,
)

ORIGIN = ["source", "component", "repositories", "path", "license", "license_layer", "stars"]
"""What documents/ knows of a document's origin, and shows."""

DECISION = ["input_row", "id", "component", "bytes", "kept", "rule", "evidence"]
"""The columns of decisions/ that are no scores."""


TEXTS = {
    "documents": "from documents/",
    "tokens": "decoded from its tokens",
    "input": "as its input has it",
}
"""Where a text is from -> words."""


def show(chain: Chain, query: str) -> dict[str, Any]:
    """Return all that a chain knows of a document, as plain values for JSON.

    Args:
        chain: as `load_chain` returns it.
        query: an id of 32 hexadecimal digits, a prefix that only one id has, or a path.

    Returns:
        id, why (a sentence), text and text_from (`documents`, `tokens`, or of a rejected document
        `input`, where that is as it was), origin, and one occurrence for each row that came in with
        this id: ids are not unique, because sources repeat documents.

    Raises:
        UsageError: nothing fits, or several documents do.
    """
    id = find_id(chain, query)
    documents = rows_with_id(document_tables(chain), id)
    duplicates = rows_with_id(duplicate_tables(chain), id)
    places = rows_with_id(shard_tables(chain), id)
    stored = [stored_row(*place) for place in places]
    for row, (_, number) in zip(stored, places, strict=True):
        row["forgotten"] = forgotten.reasons(chain, row["number"], number)
    origin, text, text_from = _content(chain, documents, stored)
    is_forgotten = id in forgotten.forgotten_ids(chain)
    if is_forgotten:
        text = text_from = None
    occurrences = [_decision(*place) for place in rows_with_id(decision_tables(chain), id)]
    if text is None and not is_forgotten:
        text, text_from = _from_input(chain, occurrences)
    removed = {_address(*place): _duplicate(chain, *place) for place in duplicates}
    addresses = [(table.about["name"], place) for table, place in documents]
    for occurrence, address in zip(filter(_is_kept, occurrences), addresses, strict=False):
        occurrence["document_row"] = address[1]
        occurrence["duplicate"] = removed.get(address)
    return {
        "id": id.hex(),
        "why": _why(occurrences, stored),
        "forgotten": is_forgotten,
        "origin": origin,
        "occurrences": occurrences,
        "shards": stored,
        "text": text,
        "text_from": text_from,
    }


def _is_kept(occurrence: dict[str, Any]) -> bool:
    return bool(occurrence["kept"])


def _content(
    chain: Chain, documents: list[tuple[Table, int]], stored: list[Row]
) -> tuple[Row, str | None, str | None]:
    """Return origin and text: from documents/ where it is there, else from the tokens."""
    if documents:
        row = take_row(*documents[0], [*ORIGIN, "bytes", "heldout", "text"])
        return {name: row[name] for name in row if name != "text"}, row["text"], "documents"
    if stored:
        row = stored[0]
        return (
            {name: row[name] for name in ORIGIN if name in row},
            stored_text(chain, row),
            "tokens",
        )
    return {}, None, None


def _from_input(chain: Chain, occurrences: list[Row]) -> tuple[str | None, str | None]:
    """Return the text of a rejected document, which no output has."""
    for row in occurrences:
        if not row["kept"]:
            wanted = originals.InputRow(row["source"], row["input"], row["input_row"], row["bytes"])
            for text in originals.texts(chain, [wanted]).values():
                return text, "input"
    return None, None


def stored_text(chain: Chain, row: Row) -> str:
    """Return the text of a document of a shard, decoded from its tokens.

    Args:
        chain: one that ends with tokenize.
        row: component, heldout, number (of the shard), block, start, tokens.
    """
    dataset = Dataset.open(chain.last.directory)
    return decode(load_tokenizer(dataset.tokenizer_path), stored_tokens(dataset, row).tolist())


def stored_tokens(dataset: Dataset, row: Row) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the tokens of a document of a shard: int64 [tokens]; `row` as in `stored_text`."""
    component = dataset.component(row["component"], row["heldout"])
    shards = dataset.shard_range(row["component"], row["heldout"])
    first = dataset.block_range(shards).start
    block = (
        dataset.block_range(range(row["number"], row["number"] + 1)).start - first + row["block"]
    )
    pieces, start, left = [np.zeros(0, np.int64)], row["start"], row["tokens"]
    while left:
        stop = min(int(component.reader.offsets(block)[-1]), start + left)
        pieces.append(component.reader.tokens(block, start, stop).astype(np.int64))
        left -= stop - start
        block, start = block + 1, 0
    return np.concatenate(pieces)


def _decision(table: Table, place: int) -> dict[str, Any]:
    row = take_row(table, place)
    scores = {name: value for name, value in row.items() if name not in DECISION}
    return {
        "part": table.about["name"],
        "source": table.about["source"],
        "input": table.about["input"],
        "input_row": row["input_row"],
        "component": row["component"],
        "bytes": row["bytes"],
        "kept": row["kept"],
        "rule": row["rule"],
        "evidence": row["evidence"],
        "scores": scores,
        "duplicate": None,
    }


def _duplicate(chain: Chain, table: Table, place: int) -> dict[str, Any]:
    row = take_row(table, place)
    kept = next(
        (each for each in document_tables(chain) if each.about["part"] == row["kept_part"]), None
    )
    origin = {}
    if kept is not None:
        found = take_row(kept, row["kept_row"], ["component", "repositories", "path", "license"])
        origin = {f"kept_{name}": value for name, value in found.items()}
    return {
        "kept_id": row["kept_id"].hex(),
        "rule": row["rule"],
        "similarity": round(row["similarity"], 4),
        "cluster_size": row["cluster_size"],
        **origin,
    }


def _address(table: Table, place: int) -> tuple[str, int]:
    return table.about["name"], int(read_table(table.url, ["row"])["row"][place].as_py())


def _why(occurrences: list[dict[str, Any]], stored: list[Row]) -> str:
    """Say in a sentence what became of a document: of its first row, and how many others."""
    if not occurrences:
        place = f"{stored[0]['shard']}, block {stored[0]['block']}" if stored else "nowhere"
        return f"kept: it is in {place}; the tables that say why are not here"
    best = next((each for each in occurrences if each["kept"] and not each["duplicate"]), None)
    why = _why_one(best or occurrences[0])
    others = len(occurrences) - 1
    return f"{why} ({formatting.plural(others, 'other row')} with the same id)" if others else why


def _why_one(occurrence: dict[str, Any]) -> str:
    evidence = occurrence["evidence"] or {}
    license = evidence.get("license") or "no known license"
    judged = (
        f"{license}, known from its {evidence.get('layer')}, judged by {evidence.get('policy')}"
    )
    if not occurrence["kept"]:
        return f"rejected by license_filter: {occurrence['rule']} ({judged})"
    copy = occurrence["duplicate"]
    if copy is None:
        return f"kept ({judged})"
    origin = " ".join([*copy.get("kept_repositories", []), copy.get("kept_path", "")]).strip()
    return (
        f"removed by dedup: {copy['rule']} copy of {copy['kept_id']}"
        + (f" ({origin})" if origin else "")
        + f", similarity {copy['similarity']:.2f}, in a cluster of {copy['cluster_size']}"
    )


def render(shown: dict[str, Any]) -> RenderableType:
    """Return what `show` prints for people."""
    lines = [f"id           {shown['id']}", f"why          {shown['why']}"]
    for name, value in shown["origin"].items():
        text = (
            ", ".join(value) if isinstance(value, list) else "unknown" if value is None else value
        )
        lines.append(f"{name:<12} {text}")
    for each in shown["occurrences"]:
        lines.append(f"input        {each['source']}: {each['input']}, row {each['input_row']}")
        scores = ", ".join(f"{name} {value:.4g}" for name, value in each["scores"].items() if value)
        lines += [f"scores       {scores}"] if scores else []
    for row in shown["shards"]:
        lines.append(
            f"shard        {row['shard']}, block {row['block']}, token {row['start']}, "
            f"{formatting.plural(row['tokens'], 'token')}"
        )
        lines += [f"forgotten    {', '.join(row['forgotten'])}"] if row["forgotten"] else []
    if shown["forgotten"]:
        return unwrapped("\n".join([*lines, "It is forgotten: its text is not shown."]))
    if shown["text"] is None:
        text = "Its text is not here: its input, or documents/, is gone or not what it was."
        return unwrapped("\n".join([*lines, text]))
    source = Rule(f"text, {TEXTS[shown['text_from']]}")
    return Group(unwrapped("\n".join(lines)), source, unwrapped(shown["text"]))
