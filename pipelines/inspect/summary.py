"""Summary of an output: totals, the funnel, the tokenizer, the chain, and inputs not read.

Only manifests are read, so the time does not depend on the number of shards.
"""

import textwrap
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from pydantic_core import to_jsonable_python
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from manifests.console import formatting
from manifests.console.output import numbers_table, unwrapped
from manifests.lineage.chain import Chain, Flow, flows
from manifests.lineage.receipts import Count
from pipelines.inspect.forgotten import forgotten_sentence, forgotten_totals
from pipelines.inspect.notes import missing_sets, notes

WIDTH = 80
"""Columns of a wrapped note."""

MAX_ROWS = 40
"""Maximum number of components in a table; the smaller ones of a source share a row."""


def summarize(chain: Chain) -> dict[str, Any]:
    """Return everything that the manifests of a chain say, as plain values for JSON."""
    last, first = chain.last.manifest, chain.links[0].manifest.totals
    parts = flows(chain)
    summary = {
        "directory": chain.last.directory,
        "step": last.step,
        "totals": last.totals.model_copy(
            update={"documents_in": first.documents_in, "bytes_in": first.bytes_in}
        ),
        "funnel": {name: _plain(flow) for name, flow in parts.items()},
        "rejected": rejected_counts(parts),
        "tokenizer": last.tokenizer,
        "components": last.components,
        "heldout_components": last.heldout_components,
        "forgotten": forgotten_totals(chain),
        "counts": {link.manifest.step: link.manifest.counts for link in chain.links},
        "chain": [
            {
                "step": link.manifest.step,
                "directory": link.directory,
                "sha256": link.digest,
                "digest": link.manifest.digest,
                "config": link.manifest.config,
                "extra": link.manifest.extra,
            }
            for link in chain.links
        ],
        "notes": notes([link.manifest for link in chain.links]),
        "missing_sets": missing_sets([link.manifest for link in chain.links]),
        "chain_ends": chain.missing,
        "failed": chain.failed,
    }
    plain: dict[str, Any] = to_jsonable_python(summary)
    return plain


def rejected_counts(components: Mapping[str, Flow]) -> dict[str, dict[str, Count]]:
    """Return step -> rule -> what the rule rejected in all components, the largest first."""
    total: dict[str, dict[str, Count]] = defaultdict(lambda: defaultdict(Count))
    for flow in components.values():
        for step, rules in flow.rejected.items():
            for rule, count in rules.items():
                total[step][rule] += count
    return {
        step: dict(sorted(rules.items(), key=lambda item: (-item[1].documents, item[0])))
        for step, rules in total.items()
    }


def group_components(
    parts: Mapping[str, Flow], most: int = MAX_ROWS
) -> list[tuple[str, Flow, int]]:
    """Return rows (label, flow, number of components), the largest components first.

    The `most` largest components have a row each; the smaller ones of a source share a row.
    """
    ordered = sorted(parts, key=lambda name: (_size_order(parts[name]), name))
    rows = [(name, parts[name], 1) for name in ordered[:most]]
    rest: dict[str, list[str]] = defaultdict(list)
    for name in ordered[most:]:
        rest[parts[name].source].append(name)
    for source, names in sorted(rest.items()):
        label = f"{source}: {formatting.count(len(names))} smaller ones"
        flow = add_flows([parts[name] for name in names])
        rows.append((names[0] if len(names) == 1 else label, flow, len(names)))
    return rows


def add_flows(parts: list[Flow]) -> Flow:
    """Return the sum of flows, with the source of the first one."""
    tokens = [flow.tokens for flow in parts if flow.tokens is not None]
    return Flow(
        source=parts[0].source if parts else "",
        incoming=sum((flow.incoming for flow in parts), Count()),
        rejected=rejected_counts({str(number): flow for number, flow in enumerate(parts)}),
        kept=sum((flow.kept for flow in parts), Count()),
        tokens=sum(tokens) if tokens else None,
    )


def render_summary(chain: Chain) -> RenderableType:
    """Return what `inspect` prints."""
    parts = flows(chain)
    blocks = (_headline(chain, parts), _component_table(parts), _rule_table(parts), _links(chain))
    failures = [_failures(chain), Text()] if chain.failed else []
    return Group(*(item for block in blocks for item in (block, Text())), *failures)


def _size_order(flow: Flow) -> tuple[int, int, int]:
    """Sort key of components, the largest first: tokens, bytes kept, bytes that came in."""
    return (-(flow.tokens or 0), -flow.kept.bytes, -flow.incoming.bytes)


def _headline(chain: Chain, parts: Mapping[str, Flow]) -> Text:
    """Return the totals of an output."""
    last = chain.last.manifest
    total = add_flows(list(parts.values()))
    lines = [
        f"{chain.last.directory}: {last.step}",
        f"  came in    {formatting.plural(total.incoming.documents, 'document')}, "
        f"{formatting.size(total.incoming.bytes)} of text",
        f"  kept       {formatting.plural(total.kept.documents, 'document')}, "
        f"{formatting.size(total.kept.bytes)} "
        f"({formatting.share(total.kept.bytes, total.incoming.bytes)} of the text)",
    ]
    if last.tokenizer is not None:
        totals, tokenizer = last.totals, last.tokenizer
        heldout = sum(component.tokens for component in last.heldout_components.values())
        lines += [
            f"  tokens     {formatting.count(totals.tokens or 0)} in "
            f"{formatting.plural(totals.shards or 0, 'shard')}, "
            f"{formatting.plural(totals.blocks or 0, 'block')}; "
            f"{formatting.count(heldout)} of them held out",
            f"  tokenizer  {tokenizer.file}, {formatting.count(tokenizer.vocabulary)} ids "
            f"as {tokenizer.dtype}, sha256 {tokenizer.sha256[:12]}",
        ]
        sentence = forgotten_sentence(chain)
        lines += [f"  forgotten  {sentence}"] if sentence else []
    for note in notes([link.manifest for link in chain.links]):
        lines += textwrap.wrap(
            note, WIDTH, initial_indent=f"  {'note':<11}", subsequent_indent=" " * 13
        )
    return unwrapped("\n".join(lines))


def _component_table(parts: Mapping[str, Flow]) -> Table:
    """Return the funnel: for each source its sum, then its components."""
    table = numbers_table(
        "Components", "", "came in", "rejected", "copies", "kept", "text kept", "tokens"
    )
    rows = group_components(parts)
    for source in dict.fromkeys(flow.source for _, flow, _ in rows):
        of_source = [flow for flow in parts.values() if flow.source == source]
        table.add_row(*_component_cells(source, add_flows(of_source)), style="bold")
        for label, flow, _ in rows:
            if flow.source == source:
                slug = label.removeprefix(f"{source}/").removeprefix(f"{source}: ")
                table.add_row(*_component_cells(f"  {slug}", flow))
    table.add_section()
    everything = add_flows(list(parts.values()))
    table.add_row(*_component_cells(formatting.plural(len(parts), "component"), everything))
    return table


def _component_cells(label: str, flow: Flow) -> tuple[str, ...]:
    """Return a row of the component table."""
    duplicates = flow.lost("dedup").documents
    others = sum(flow.lost(step).documents for step in flow.rejected) - duplicates
    return (
        label,
        formatting.count(flow.incoming.documents),
        formatting.count(others),
        formatting.count(duplicates),
        formatting.count(flow.kept.documents),
        formatting.size(flow.kept.bytes),
        "-" if flow.tokens is None else formatting.count(flow.tokens),
    )


def _rule_table(parts: Mapping[str, Flow]) -> Table:
    """Return what each rule rejected, by step."""
    table = numbers_table("Rejected, by rule", "", "documents", "text", "of all text", "mostly in")
    incoming = add_flows(list(parts.values())).incoming
    for step, rules in rejected_counts(parts).items():
        table.add_row(step, style="bold")
        for rule, count in rules.items():
            table.add_row(
                f"  {rule}",
                formatting.count(count.documents),
                formatting.size(count.bytes),
                formatting.share(count.bytes, incoming.bytes),
                _largest_loser(parts, step, rule),
            )
    if not table.rows:
        table.add_row("nothing was rejected")
    return table


def _largest_loser(parts: Mapping[str, Flow], step: str, rule: str) -> str:
    """Return the component of which a rule rejected most documents."""
    nothing = Count()
    return max(
        sorted(parts),
        key=lambda name: parts[name].rejected.get(step, {}).get(rule, nothing).documents,
    )


def _links(chain: Chain) -> Text:
    """Return the steps of a chain with their digests."""
    lines = ["Chain of manifests, by SHA-256"]
    for link in chain.links:
        lines.append(f"  {link.manifest.step:<14}  {link.digest[:16]}  {link.directory}")
    lines += [f"  {chain.missing}"] if chain.missing else []
    return unwrapped("\n".join(lines))


def _failures(chain: Chain) -> Text:
    """Return the inputs that could not be read."""
    lines = [f"Inputs that could not be read: {formatting.count(len(chain.failed))}"]
    for failure in chain.failed[:MAX_ROWS]:
        lines.append(f"  {failure.source}: {failure.input}: {failure.error}")
    more = len(chain.failed) - MAX_ROWS
    lines += [f"  and {more:,} more: see --json"] if more > 0 else []
    return unwrapped("\n".join(lines))


def _plain(flow: Flow) -> dict[str, Any]:
    """Return a flow for JSON."""
    return {
        "source": flow.source,
        "documents_in": flow.incoming.documents,
        "bytes_in": flow.incoming.bytes,
        "rejected": flow.rejected,
        "documents": flow.kept.documents,
        "bytes": flow.kept.bytes,
        "tokens": flow.tokens,
    }
