"""What other thresholds of the document filters would keep, from the scores in decisions/.

No text is read. The order of the job's rules holds: a document that was rejected before the
document filters stays rejected by the same rule. The rule for benchmarks comes after the filters;
evidence names the benchmark.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from rich.console import RenderableType

from filters.decontamination import RULE as BENCHMARK
from filters.quality import registry
from filters.scancode.server import GIVEN_UP
from manifests.console import formatting
from manifests.console.output import numbers_table
from manifests.errors import UsageError
from manifests.io.parquet import read_table
from manifests.lineage.chain import Chain
from manifests.lineage.counting import count_documents
from manifests.lineage.manifest import Manifest
from manifests.lineage.receipts import Count
from pipelines.inspect.tables import decision_tables
from pipelines.sources.registry import LAYOUTS

Counts = dict[str, dict[str, Count]]
"""Name -> {now, then}."""

KEPT = "kept"
"""Stands for the rule of kept documents."""

SWITCHES = {"true": True, "false": False}

LATE_RULES = frozenset(registry.FILTERS) | {BENCHMARK}
"""Rules whose verdict may change: the document filters and the rules after them."""


def changed_filters(
    declared: Mapping[str, Any] | None, changes: Iterable[str]
) -> dict[str, float | bool]:
    """Return a table `[filters]` with some changes.

    Args:
        declared: the table in the manifest; None if CORPUS.toml has none.
        changes: `FILTER=NUMBER`, `FILTER=true` (its default) or `FILTER=false` (off).

    Raises:
        UsageError: a change has another form or names no filter.
    """
    table = dict(declared or {})
    for change in changes:
        name, _, text = change.partition("=")
        try:
            table[name] = SWITCHES[text] if text in SWITCHES else float(text)
        except ValueError:
            raise UsageError(f"{change!r} is not written FILTER=NUMBER, =true or =false") from None
    try:
        registry.check(table)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return table


def compare_thresholds(chain: Chain, changes: Sequence[str]) -> dict[str, Any]:
    """Return what a finished license_filter keeps now, and what it would keep.

    Args:
        chain: as `load_chain` returns it.
        changes: as `changed_filters` takes them.

    Returns:
        thresholds: filter -> [now, then], null for a filter that is off; rules and components:
        name -> {now, then}, each documents and bytes. Components count kept documents.

    Raises:
        UsageError: there are no decisions, or a filter was off when the job ran and has no scores.
    """
    link = chain.link("license_filter")
    if link is None:
        raise UsageError(
            f"{chain.last.directory}: holds no license_filter; its decisions are needed"
        )
    before, after = _settings(link.manifest, changes)
    by_rule: Counts = {}
    by_component: Counts = {}
    for table in decision_tables(chain):
        rows = read_table(table.url)
        components = rows["component"].to_pylist()
        then = rules_at(after[table.source], rows)
        for when, rules in (("now", rows["rule"].to_pylist()), ("then", then)):
            kept = [None if rule else name for name, rule in zip(components, rules, strict=True)]
            _add(by_rule, when, [rule or KEPT for rule in rules], rows["bytes"])
            _add(by_component, when, kept, rows["bytes"])
    return {
        "directory": link.directory,
        "thresholds": {
            name: [before[source].get(name), after[source].get(name)]
            for source in before
            for name in registry.FILTERS
            if before[source].get(name) != after[source].get(name)
        },
        "rules": _plain(by_rule),
        "components": _plain(by_component),
    }


def _settings(
    manifest: Manifest, changes: Sequence[str]
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    """Return source -> its filters and their thresholds, before and after some changes.

    Raises:
        UsageError: a filter was off when the job ran and has no scores.
    """
    declared = manifest.config.get("filters")
    changed = changed_filters(declared, changes)
    before, after = {}, {}
    for source in manifest.config.get("source", []):
        name, all_filters = source["name"], LAYOUTS[source["kind"]].all_filters
        before[name] = registry.settings(declared, all_filters)
        after[name] = registry.settings(changed, all_filters)
        for filter in after[name]:
            if filter not in before[name]:
                raise UsageError(
                    f"{filter}: was off for {name} when the job ran, so it has no scores; turn it "
                    "on in [filters] and run license-filter again"
                )
    return before, after


def rules_at(thresholds: Mapping[str, float], rows: pa.Table) -> list[str | None]:
    """Return the rule of each row of decisions/ at some thresholds; None for a kept row.

    Args:
        thresholds: as `registry.settings` returns them; each is a column of scores.
        rows: a table of decisions/.
    """
    scores = {name: rows[name].to_numpy() for name in thresholds}
    filtered = registry.first_rule(thresholds, scores, rows.num_rows)
    details = rows["evidence"].combine_chunks().field("detail").to_pylist()
    return [
        early if early is not None and early not in LATE_RULES else rule or _benchmark_rule(detail)
        for early, rule, detail in zip(rows["rule"].to_pylist(), filtered, details, strict=True)
    ]


def _benchmark_rule(detail: str | None) -> str | None:
    """Return the rule for benchmarks if a row that passes all earlier rules has evidence of one.

    The only other evidence of such a row is that its header could not be judged.
    """
    return BENCHMARK if (detail or "").removeprefix(GIVEN_UP) else None


def _add(counts: Counts, when: str, names: Sequence[str | None], sizes: Any) -> None:
    """Count documents, whose texts have these sizes, under names; None counts nowhere."""
    table = pa.table({"name": pa.array(names, pa.string()), "bytes": sizes}).drop_null()
    for name, count in count_documents(table, ["name"]):
        counts.setdefault(name, {"now": Count(), "then": Count()})[when] += count


def _plain(counts: Counts) -> dict[str, dict[str, dict[str, int]]]:
    """Return counts for JSON, the largest now first."""
    names = sorted(counts, key=lambda name: (-counts[name]["now"].documents, name))
    return {name: {when: c.model_dump() for when, c in counts[name].items()} for name in names}


def render_thresholds(comparison: dict[str, Any]) -> RenderableType:
    """Return what `thresholds` prints: each rule, now and then."""
    title = ", ".join(
        f"{name} {_bound(now)} -> {_bound(then)}"
        for name, (now, then) in comparison["thresholds"].items()
    )
    heads = ("", "documents now", "then", "MB now", "then")
    table = numbers_table(title or "unchanged thresholds", *heads)
    for name, counts in comparison["rules"].items():
        documents = [formatting.count(counts[when]["documents"]) for when in ("now", "then")]
        sizes = [f"{counts[when]['bytes'] / 1e6:,.1f}" for when in ("now", "then")]
        table.add_row(name, *documents, *sizes, style="bold" if name == KEPT else None)
    return table


def _bound(threshold: float | None) -> str:
    return "off" if threshold is None else f"{threshold:g}"
