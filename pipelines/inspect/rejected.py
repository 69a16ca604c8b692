"""Examples of rejected documents by rule, with the evidence: a sample that never changes."""

import heapq
import math
import re
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Group, RenderableType
from rich.text import Text

from manifests.console import formatting
from manifests.console.output import printable, unwrapped
from manifests.errors import UsageError
from manifests.io.parquet import read_table
from manifests.lineage.chain import Chain, flows
from pipelines.inspect import originals
from pipelines.inspect.document import DECISION
from pipelines.inspect.summary import rejected_counts
from pipelines.inspect.tables import DocumentTable, Row, decision_tables, duplicate_tables

EXAMPLES = 5
"""Default number of examples of each rule."""

CONTEXT = 2
"""Lines of an excerpt before and after the lines that matched."""

MAX_LINES = 8
"""Maximum number of lines of an excerpt."""

MAX_WIDTH = 160
"""Maximum number of characters of a line of an excerpt."""

MATCHED_LINES = re.compile(r"lines ([0-9]+)-([0-9]+)")
"""The lines of a text about its license, in evidence."""


def sample_rejections(
    chain: Chain, rule: str | None = None, most: int = EXAMPLES
) -> dict[str, Any]:
    """Return rejected documents of each rule, as plain values for JSON.

    The examples are the documents with the smallest ids. Ids are hashes, so the sample is fair, and
    it does not depend on how the job was parallelized.

    Args:
        chain: as `load_chain` returns it.
        rule: only this rule; all rules by default.
        most: maximum number of examples of a rule.

    Returns:
        rule -> step, documents and bytes that it rejected, and examples. An example of
        license_filter has id, source, input, component, input_row, bytes, evidence, scores, and
        `lines` of the text, the first one numbered `first_line`, if the input is unchanged. An
        example of dedup has id, source, kept_id, similarity and cluster_size.

    Raises:
        UsageError: the rule rejected nothing.
    """
    counts = {
        name: {"step": step, **count.model_dump()}
        for step, rules in rejected_counts(flows(chain)).items()
        for name, count in rules.items()
    }
    if rule is not None and rule not in counts:
        known = ", ".join(counts) or "none"
        raise UsageError(
            f"{chain.last.directory}: no document was rejected by {rule!r}; rules that rejected "
            f"some: {known}"
        )
    examples: dict[str, list[Row]] = {name: [] for name in counts if rule in (None, name)}
    for name, example in _examples(chain, list(examples), most):
        candidates = [*examples[name], example]
        examples[name] = heapq.nsmallest(most, candidates, key=lambda row: str(row["id"]))
    _add_lines(chain, [row for rows in examples.values() for row in rows if "kept_id" not in row])
    return {name: {**counts[name], "examples": rows} for name, rows in examples.items()}


def _examples(chain: Chain, rules: list[str], most: int) -> Iterator[tuple[str, Row]]:
    """Yield (rule, example) of every table, the smallest ids of each table."""
    for tables, describe in (
        (decision_tables(chain), _rejected_row),
        (duplicate_tables(chain), _duplicate_row),
    ):
        for table in tables:
            rows = read_table(table.url, ["id", "rule"])
            order = pc.sort_indices(rows["id"])
            ordered = rows["rule"].combine_chunks().take(order)
            smallest = [order.filter(pc.equal(ordered, rule)).slice(0, most) for rule in rules]
            if any(map(len, smallest)):
                for row in read_table(table.url).take(pa.concat_arrays(smallest)).to_pylist():
                    yield row["rule"], describe(table, row)


def _rejected_row(table: DocumentTable, row: Row) -> Row:
    """Return an example from a row of decisions/."""
    columns = ("input_row", "component", "bytes", "evidence")
    scores = {name: row[name] for name in row if name not in DECISION and row[name] is not None}
    return {
        "id": row["id"].hex(),
        "source": table.source,
        "input": table.input,
        **{name: row[name] for name in columns},
        "scores": {name: value for name, value in scores.items() if not math.isnan(value)},
    }


def _duplicate_row(table: DocumentTable, row: Row) -> Row:
    """Return an example from a row of duplicates/."""
    return {
        "id": row["id"].hex(),
        "source": table.source,
        "kept_id": row["kept_id"].hex(),
        "similarity": round(row["similarity"], 4),
        "cluster_size": row["cluster_size"],
    }


def _add_lines(chain: Chain, examples: list[Row]) -> None:
    """Add to each example an excerpt of its text."""
    values = itemgetter("source", "input", "input_row", "bytes")
    rows = [originals.InputRow(*values(example)) for example in examples]
    texts = originals.texts(chain, rows)
    for example, row in zip(examples, rows, strict=True):
        first, lines = excerpt(texts[row], example["evidence"]) if row in texts else (None, None)
        example |= {"first_line": first, "lines": lines}


def excerpt(text: str, evidence: Row | None) -> tuple[int, list[str]]:
    """Return (number of the first line, from 1; lines) of an excerpt of a text.

    Args:
        text: a whole document.
        evidence: evidence of the decision. The excerpt is around the lines that it names, or at the
            start of the text.
    """
    start, stop = 0, MAX_LINES
    if match := MATCHED_LINES.search((evidence or {}).get("detail") or ""):
        start, stop = max(0, int(match[1]) - 1 - CONTEXT), int(match[2]) + CONTEXT
    lines = text.split("\n")[start : min(stop, start + MAX_LINES)]
    return start + 1, [printable(line)[:MAX_WIDTH] for line in lines]


def render_rejections(rules: dict[str, Any]) -> RenderableType:
    """Return what `inspect --rejected` prints."""
    if not rules:
        return unwrapped("nothing was rejected")
    return Group(*(item for rule in rules for item in (_rule_text(rule, rules[rule]), Text())))


def _rule_text(rule: str, rejections: dict[str, Any]) -> Text:
    lines = [
        f"{rule} ({rejections['step']}): "
        f"{formatting.plural(rejections['documents'], 'document')}, "
        f"{formatting.size(rejections['bytes'])}"
    ]
    for example in rejections["examples"]:
        lines += [f"  {line}" for line in _example_lines(rule, example)]
    return unwrapped("\n".join(lines))


def _example_lines(rule: str, example: Row) -> Iterator[str]:
    """Yield the lines that are printed about an example."""
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
