"""The plan of a corpus before any job runs: its inputs, and the parts that they are cut into."""

from collections.abc import Iterable
from typing import Any

from rich.console import Group, RenderableType

from manifests.console.output import numbers_table, unwrapped
from manifests.mixture.published_sets import MissingSets, published_sets, sentence
from pipelines.corpus.corpus import Corpus
from pipelines.corpus.inputs import list_ranges
from pipelines.corpus.source_table import Source


def plan(corpus: Corpus) -> dict[str, dict[str, Any]]:
    """Return, for each source, its inputs, parts, bytes on disk, and what it lacks.

    An input that is not cut counts as one part; how many parts it has is known when it is read.
    `not_read` says why inputs are not read; `missing` names the sets of a published data set of
    which no document will be kept, or is null.
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
        missing = _missing_sets(corpus.named(name), inputs)
        plan[name] |= {"inputs": len(inputs), "bytes": sum(inputs.values()), "missing": missing}
    return plan


def _missing_sets(source: Source, inputs: Iterable[str]) -> MissingSets | None:
    """Return the sets of a source's data set that its inputs or its license rules leave out."""
    known, layout = published_sets(source.kind), source.layout
    if known is None or source.components is not None:
        return None
    components = [layout.component_of_input(path) for path in inputs]
    names = [name for name in components if name is not None]
    if None in components:  # Such an input holds any set.
        names += [name for name in known.shares if _is_licensed(source, name)]
    return known.missing(names)


def _is_licensed(source: Source, component: str) -> bool:
    """Return whether the documents of a component may be kept without licenses of their own."""
    finding = source.layout.component_license(component)
    return source.missing == "accept" or (finding is not None and finding.judgment == "allow")


def plan_table(plan: dict[str, dict[str, Any]]) -> RenderableType:
    """Return a plan as a table, a line for each source, and below it the inputs not read."""
    table = numbers_table("plan", "source", "inputs", "parts", "MB on disk")
    for name, source in plan.items():
        size = f"{source['bytes'] / 1e6:,.1f}"
        table.add_row(name, f"{source['inputs']:,}", f"{source['parts']:,}", size)
    lines = [f"not read: {reason}" for source in plan.values() for reason in source["not_read"]]
    lines += [
        f"{name}: {sentence(source['missing'])}"
        for name, source in plan.items()
        if source["missing"]
    ]
    return Group(table, *map(unwrapped, lines))
