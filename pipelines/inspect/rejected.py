"""Examples of what each rule rejected, with the evidence: a sample that is always the same."""

import heapq
import math
import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from rich.console import Group, RenderableType
from rich.text import Text

from manifests.console import formatting
from manifests.console.output import printable, unwrapped
from manifests.errors import UsageError
from manifests.io.parquet import read_table
from manifests.lineage.chain import Chain, flows
from manifests.lineage.receipts import Count
from pipelines.inspect import originals
from pipelines.inspect.document import DECISION
from pipelines.inspect.find import Row, Table, decision_tables, duplicate_tables
from pipelines.inspect.summary import rejected as rejected_counts

EXAMPLES = 5
"""Of each rule, when nobody says how many."""

AROUND = 2
"""Lines that are shown before what matched, and after it."""

LINES = 8
"""Lines that are shown of a text, at most."""

WIDTH = 160
"""Characters that are shown of a line, at most."""

MATCHED = re.compile(r"lines ([0-9]+)-([0-9]+)")
"""How evidence names the lines of a text that speak of its license."""


def examples(chain: Chain, rule: str | None = None, most: int = EXAMPLES) -> dict[str, Any]:
    """Return rejected documents of each rule, as plain values for JSON.

    The ones with the smallest ids: ids are hashes, so they are a fair sample, and the same one
    however the work was spread.

    Args:
        chain: as `load_chain` returns it.
        rule: only this one; all when not given.
        most: examples of each rule.

    Returns:
        rule -> step, documents and bytes that it took, and examples: id, source, input, component,
        and of license_filter input_row, bytes, evidence, scores, and `lines` of the text, the first
        of them numbered `first_line`, where the input can still be read; of dedup the document that
        stays instead, similarity and the size of the cluster.

    Raises:
        UsageError: nothing was rejected by that rule.
    """
    counts = {
        name: (step, count)
        for step, rules in rejected_counts(flows(chain)).items()
        for name, count in rules.items()
    }
    if rule is not None and rule not in counts:
        known = ", ".join(counts) or "none"
        raise UsageError(
            f"{chain.last.directory}: no document was rejected by {rule!r}; rules that took some: "
            f"{known}"
        )
    wanted = {name: counts[name] for name in counts if rule in (None, name)}
    found: dict[str, list[Row]] = {name: [] for name in wanted}
    for name, example in _examples(chain, list(wanted), most):
        kept = [*found[name], example]
        found[name] = heapq.nsmallest(most, kept, key=lambda each: str(each["id"]))
    _add_lines(chain, [each for name in found for each in found[name] if "kept_id" not in each])
    return {name: _told(*wanted[name], found[name]) for name in wanted}


def render(told: dict[str, Any]) -> RenderableType:
    """Return what `inspect --rejected` prints for people."""
    if not told:
        return unwrapped("nothing was rejected")
    return Group(*(item for rule, each in told.items() for item in (_rule(rule, each), Text())))


def _add_lines(chain: Chain, found: list[Row]) -> None:
    """Put into each example the lines of its text that matched, or else its first ones."""
    names = ("source", "input", "input_row", "bytes")
    places = [originals.InputRow(*(each[name] for name in names)) for each in found]
    texts = originals.texts(chain, places)
    for each, place in zip(found, places, strict=True):
        first, lines = excerpt(texts[place], each["evidence"]) if place in texts else (None, None)
        each |= {"first_line": first, "lines": lines}


def excerpt(text: str, evidence: Row | None) -> tuple[int, list[str]]:
    """Return some lines of a text, and the number of the first of them, from 1.

    Args:
        text: a whole document.
        evidence: of its decision; lines are shown around those that it names.
    """
    named = MATCHED.search((evidence or {}).get("detail") or "")
    start, stop = (int(named[1]) - 1 - AROUND, int(named[2]) + AROUND) if named else (0, LINES)
    start = max(0, start)
    lines = text.split("\n")[start : min(stop, start + LINES)]
    return start + 1, [printable(line)[:WIDTH] for line in lines]


def _told(step: str, count: Count, found: list[Row]) -> dict[str, Any]:
    return {"step": step, **count.model_dump(), "examples": found}


def _examples(chain: Chain, rules: list[str], most: int) -> Iterator[tuple[str, Row]]:
    for tables, describe in (
        (decision_tables(chain), _decision),
        (duplicate_tables(chain), _duplicate),
    ):
        for table in tables:
            columns = read_table(table.url, ["id", "rule"])
            chosen = _smallest(columns, rules, most)
            if any(chosen.values()):
                whole = read_table(table.url)
                for rule, places in chosen.items():
                    for row in whole.take(pa.array(places, pa.int64())).to_pylist():
                        yield rule, describe(table, row)


def _smallest(columns: pa.Table, rules: list[str], most: int) -> dict[str, list[int]]:
    """Return, for each rule, the places of its rows that have the smallest ids."""
    found: dict[str, list[tuple[bytes, int]]] = {rule: [] for rule in rules}
    rows = zip(columns["id"].to_pylist(), columns["rule"].to_pylist(), strict=True)
    for place, (id, rule) in enumerate(rows):
        if rule in found:
            found[rule].append((id, place))
    return {
        rule: [place for _, place in heapq.nsmallest(most, pairs)] for rule, pairs in found.items()
    }


def _decision(table: Table, row: Row) -> Row:
    scores = {name: row[name] for name in row if name not in DECISION and row[name] is not None}
    return {
        "id": row["id"].hex(),
        "source": table.about["source"],
        "input": table.about["input"],
        "input_row": row["input_row"],
        "component": row["component"],
        "bytes": row["bytes"],
        "evidence": row["evidence"],
        "scores": {name: value for name, value in scores.items() if not math.isnan(value)},
    }


def _duplicate(table: Table, row: Row) -> Row:
    return {
        "id": row["id"].hex(),
        "source": table.about.get("source"),
        "kept_id": row["kept_id"].hex(),
        "similarity": round(row["similarity"], 4),
        "cluster_size": row["cluster_size"],
    }


def _rule(rule: str, told: dict[str, Any]) -> RenderableType:
    lines = [
        f"{rule} ({told['step']}): {formatting.plural(told['documents'], 'document')}, "
        f"{formatting.size(told['bytes'])}"
    ]
    for example in told["examples"]:
        lines += [f"  {line}" for line in _lines(rule, example)]
    return unwrapped("\n".join(lines))


def _lines(rule: str, example: Row) -> Iterator[str]:
    if "kept_id" in example:
        yield (
            f"{example['id']}  copy of {example['kept_id']}, similarity "
            f"{example['similarity']:.2f}, in a cluster of {example['cluster_size']}"
        )
        return
    yield (
        f"{example['id']}  {example['component']}, {formatting.size(example['bytes'])}; "
        f"{example['input']}, row {example['input_row']}"
    )
    evidence = {name: value for name, value in (example["evidence"] or {}).items() if value}
    if rule in example["scores"]:
        yield f"    scored {example['scores'][rule]:.4g}"
    elif "detail" in evidence:
        yield f"    {evidence['detail']}"
    else:
        yield "    " + ", ".join(f"{name} {value}" for name, value in evidence.items())
    for number, line in enumerate(example["lines"] or (), example["first_line"] or 1):
        yield f"    {number:>6} | {line}".rstrip()
