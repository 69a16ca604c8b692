"""What other thresholds would keep, from the scores in decisions/: no text is read.

The job's order holds: what was rejected before the document filters stays rejected, by the same
rule; a text of a benchmark comes after them, and is known from its evidence.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
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
from pipelines.inspect.find import decision_tables

Thresholds = Mapping[str, float]
Totals = dict[str, Count]
"""Rule, or KEPT -> documents and bytes."""

KEPT = "kept"


def changed(declared: Mapping[str, Any] | None, changes: Iterable[str]) -> dict[str, float | bool]:
    """Return a table `[filters]` with some changes.

    Args:
        declared: as the manifest has it; None where CORPUS.toml has none.
        changes: `FILTER=NUMBER`, `FILTER=true` (its default) or `FILTER=false` (off).

    Raises:
        UsageError: one is not written so, or names no filter.
    """
    table = dict(declared or {})
    for change in changes:
        name, _, text = change.partition("=")
        try:
            table[name] = {"true": True, "false": False}.get(text) if text in WORDS else float(text)
        except ValueError:
            raise UsageError(f"{change!r} is not written FILTER=NUMBER, =true or =false") from None
    try:
        registry.check(table)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return table


WORDS = ("true", "false")


def compare(chain: Chain, changes: Sequence[str]) -> dict[str, Any]:
    """Return the funnel of a finished license_filter as it is, and as it would be.

    Args:
        chain: as `load_chain` returns it.
        changes: as `changed` takes them.

    Returns:
        thresholds: filter -> [now, then], null where it is off; rules and components: name ->
        {now, then}, each documents and bytes; components count what is kept.

    Raises:
        UsageError: there are no decisions, or a filter was off when the job ran: it has no scores.
    """
    link = chain.link("license_filter")
    if link is None:
        raise UsageError(
            f"{chain.last.directory}: holds no license_filter; its decisions are needed"
        )
    declared = link.manifest.config.get("filters")
    before = registry.settings(declared)
    after = registry.settings(changed(declared, changes))
    unmeasured = [name for name in after if name not in before]
    if unmeasured:
        raise UsageError(
            f"{unmeasured[0]}: was off when the job ran, so nothing is known of it; turn it on in "
            "[filters] and run license-filter again"
        )
    now, then, by_now, by_then = Counts(), Counts(), Counts(), Counts()
    for table in decision_tables(chain):
        rows = read_table(table.url)
        rules = rows["rule"].to_pylist()
        again = rules_at(after, rows)
        sizes = rows["bytes"].to_numpy()
        components = rows["component"].to_pylist()
        now.add([rule or KEPT for rule in rules], sizes)
        then.add([rule or KEPT for rule in again], sizes)
        for counts, kept in ((by_now, rules), (by_then, again)):
            chosen = np.array([rule is None for rule in kept], bool)
            counts.add(
                [c for c, stays in zip(components, chosen, strict=True) if stays], sizes[chosen]
            )
    return {
        "directory": link.directory,
        "thresholds": {
            name: [before.get(name), after.get(name)]
            for name in registry.FILTERS
            if before.get(name) != after.get(name)
        },
        "rules": _beside(now, then),
        "components": _beside(by_now, by_then),
    }


def rules_at(thresholds: Thresholds, rows: pa.Table) -> list[str | None]:
    """Return the rule of each row of decisions/ at some thresholds; None for what is kept.

    Args:
        thresholds: as `registry.settings` returns them; each is a column of scores.
        rows: a table of decisions/, n rows.
    """
    scores = {name: rows[name].to_numpy() for name in thresholds}
    filtered = registry.first_rule(thresholds, scores, rows.num_rows)
    details = rows["evidence"].combine_chunks().field("detail").to_pylist()
    return [
        rule if rule is not None and rule not in ASKED_AGAIN else found or _benchmark(detail)
        for rule, found, detail in zip(rows["rule"].to_pylist(), filtered, details, strict=True)
    ]


ASKED_AGAIN = frozenset(registry.FILTERS) | {BENCHMARK}
"""Rules that may not hold at other thresholds: all that come before them do."""


def _benchmark(detail: str | None) -> str | None:
    """Beside a header that was given up, a row that came so far has no evidence but a benchmark."""
    return BENCHMARK if (detail or "").removeprefix(GIVEN_UP) else None


class Counts:
    """Documents and bytes by name."""

    def __init__(self) -> None:
        """Count nothing yet."""
        self.documents: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()

    def add(self, names: Sequence[str], sizes: Any) -> None:
        """Count documents, each under a name."""
        for name, size in zip(names, sizes.tolist(), strict=True):
            self.documents[name] += 1
            self.bytes[name] += size

    def of(self, name: str) -> dict[str, int]:
        """Return what was counted under a name."""
        return Count(documents=self.documents[name], bytes=self.bytes[name]).model_dump()


def _beside(now: Counts, then: Counts) -> dict[str, dict[str, dict[str, int]]]:
    names = sorted(now.documents | then.documents, key=lambda n: (-now.documents[n], n))
    return {name: {"now": now.of(name), "then": then.of(name)} for name in names}


def render(told: dict[str, Any]) -> RenderableType:
    """Return what the command prints for people: each rule, now and then."""
    title = ", ".join(
        f"{name} {_bound(now)} -> {_bound(then)}"
        for name, (now, then) in told["thresholds"].items()
    )
    heads = ("", "documents now", "then", "MB now", "then")
    table = numbers_table(title or "thresholds as they are", *heads)
    for name, each in told["rules"].items():
        documents = [formatting.count(each[when]["documents"]) for when in ("now", "then")]
        sizes = [f"{each[when]['bytes'] / 1e6:,.1f}" for when in ("now", "then")]
        table.add_row(name, *documents, *sizes, style="bold" if name == KEPT else None)
    return table


def _bound(threshold: float | None) -> str:
    return "off" if threshold is None else f"{threshold:g}"
