"""The plan of a corpus before any job runs: its inputs, and the parts that they are cut into."""

from collections.abc import Iterable
from typing import Any

from rich.console import Group, RenderableType

from manifests.console.output import numbers_table, unwrapped
from manifests.mixture.published_sets import MissingSets, sentence, sets_of_source
from pipelines.corpus.corpus import Corpus
from pipelines.corpus.inputs import InputRange, list_ranges
from pipelines.corpus.source_table import Source


def plan(corpus: Corpus) -> dict[str, dict[str, Any]]:
    """Return, for each source, its inputs, parts, bytes on disk, and what it lacks.

    An input that is not cut counts as one part; how many parts it has is known when it is read.
    `not_read` says why inputs are not read, `remarks` what inputs lack; `missing` names the sets of
    a data set, or the chosen components, of which no document will be kept, or is null.
    """
    by_source: dict[str, list[InputRange]] = {source.name: [] for source in corpus.source}
    for unit in list_ranges(corpus):
        by_source[unit.source].append(unit)
    return {name: _plan(corpus.named(name), units) for name, units in by_source.items()}


def _plan(source: Source, units: list[InputRange]) -> dict[str, Any]:
    """Return the plan of one source."""
    read = [unit for unit in units if not unit.error]
    inputs = {unit.input: unit for unit in read}
    remarks = (source.layout.remark(unit.url, unit.input) for unit in inputs.values())
    return {
        "inputs": len(inputs),
        "parts": len(read),
        "bytes": sum(unit.bytes for unit in inputs.values()),
        "not_read": [unit.error for unit in units if unit.error],
        "remarks": sorted(set(filter(None, remarks))),
        "missing": _missing_sets(source, inputs),
    }


def _missing_sets(source: Source, inputs: Iterable[str]) -> MissingSets | None:
    """Return the sets of a source that its inputs or its license rules leave out."""
    known = sets_of_source(source.name, source.kind, source.components)
    layout = source.layout
    if known is None:
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
    lines += [f"{name}: {remark}" for name, row in plan.items() for remark in row["remarks"]]
    lines += [
        f"{name}: {sentence(source['missing'])}"
        for name, source in plan.items()
        if source["missing"]
    ]
    return Group(table, *map(unwrapped, lines))
