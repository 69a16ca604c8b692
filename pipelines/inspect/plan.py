"""The plan of a corpus before any job runs: its inputs, and the parts that they are cut into."""

from typing import Any

from rich.console import Group, RenderableType

from manifests.console.output import numbers_table, unwrapped
from pipelines.corpus.corpus import Corpus
from pipelines.corpus.inputs import list_ranges


def plan(corpus: Corpus) -> dict[str, dict[str, Any]]:
    """Return, for each source, its inputs, parts, bytes on disk, and why inputs are not read.

    An input that is not cut counts as one part; how many parts it has is known when it is read.
    """
    sizes: dict[str, dict[str, int]] = {source.name: {} for source in corpus.source}
    plan: dict[str, dict[str, Any]] = {
        name: {"inputs": 0, "parts": 0, "bytes": 0, "not_read": []} for name in sizes
    }
    for unit in list_ranges(corpus):
        source = plan[unit.source]
        if unit.error:
            source["not_read"].append(unit.error)
        else:
            source["parts"] += 1
            sizes[unit.source][unit.input] = unit.bytes
    for name, inputs in sizes.items():
        plan[name] |= {"inputs": len(inputs), "bytes": sum(inputs.values())}
    return plan


def plan_table(plan: dict[str, dict[str, Any]]) -> RenderableType:
    """Return a plan as a table, a line for each source, and below it the inputs not read."""
    table = numbers_table("plan", "source", "inputs", "parts", "MB on disk")
    for name, source in plan.items():
        size = f"{source['bytes'] / 1e6:,.1f}"
        table.add_row(name, f"{source['inputs']:,}", f"{source['parts']:,}", size)
    reasons = [reason for source in plan.values() for reason in source["not_read"]]
    return Group(table, *(unwrapped(f"not read: {reason}") for reason in reasons))
