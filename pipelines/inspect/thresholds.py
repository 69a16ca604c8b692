"""What other thresholds of the document filters would keep, from the scores in decisions/.

No text is read. The order of the job's rules holds: a document that was rejected before the
document filters stays rejected by the same rule. The rule for benchmarks comes after the filters;
evidence names the benchmark.
"""

from collections import Counter
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
from manifests.lineage.receipts import Count
from pipelines.inspect.tables import decision_tables

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
    declared = link.manifest.config.get("filters")
    before = registry.settings(declared)
    after = registry.settings(changed_filters(declared, changes))
    unmeasured = [name for name in after if name not in before]
    if unmeasured:
        raise UsageError(
            f"{unmeasured[0]}: was off when the job ran, so it has no scores; turn it on in "
            "[filters] and run license-filter again"
        )
    rules, components = Comparison(), Comparison()
    for table in decision_tables(chain):
        rows = read_table(table.url)
        columns = (rows[name].to_pylist() for name in ("bytes", "component", "rule"))
        for size, component, now, then in zip(*columns, rules_at(after, rows), strict=True):
            rules.add(size, now=now or KEPT, then=then or KEPT)
            components.add(size, now=None if now else component, then=None if then else component)
    return {
        "directory": link.directory,
        "thresholds": {
            name: [before.get(name), after.get(name)]
            for name in registry.FILTERS
            if before.get(name) != after.get(name)
        },
        "rules": rules.plain(),
        "components": components.plain(),
    }


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


class Comparison:
    """Documents and bytes by name, now and then."""

    def __init__(self) -> None:
        """Start with no documents."""
        self._documents: dict[str, Counter[str]] = {"now": Counter(), "then": Counter()}
        self._bytes: dict[str, Counter[str]] = {"now": Counter(), "then": Counter()}

    def add(self, size: int, **names: str | None) -> None:
        """Count a document under its names `now` and `then`; None counts nowhere."""
        for when, name in names.items():
            if name is not None:
                self._documents[when][name] += 1
                self._bytes[when][name] += size

    def plain(self) -> dict[str, dict[str, dict[str, int]]]:
        """Return name -> {now, then}, each documents and bytes, the largest now first."""
        now = self._documents["now"]
        names = sorted(now | self._documents["then"], key=lambda name: (-now[name], name))
        return {
            name: {
                when: Count(documents=documents[name], bytes=self._bytes[when][name]).model_dump()
                for when, documents in self._documents.items()
            }
            for name in names
        }


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
