"""Build one self-contained HTML page about an output, with drawings as SVG and no script."""

import json
from collections.abc import Mapping

from manifests.console import formatting
from manifests.lineage import STEPS
from manifests.lineage.chain import Chain, Flow, flows
from manifests.lineage.receipts import Count
from manifests.page import svg
from manifests.page.page import render_page
from manifests.page.section import Section, Table
from manifests.page.svg import LOST, PALETTE, Bar, Stage
from pipelines.inspect.forgotten import forgotten_sentence
from pipelines.inspect.summary import add_flows, group_components, rejected_counts
from pipelines.inspect.survey import Survey, survey
from pipelines.report import mixture_section, survey_section
from pipelines.report.survey_section import largest_counts

BARS = 20
"""Components with a bar of their own. The table below the drawing lists every component."""

RULES = 6
"""Rules with a band of their own at each stage. The other rules of a stage share one band."""

STAGES = {step: step.replace("_", " ") for step in STEPS}


def report(chain: Chain, mixture: str | None = None) -> str:
    """Return the page of an output. Equal outputs give equal pages.

    Args:
        chain: the manifests behind the output.
        mixture: the path of a MIX.toml; its epochs get a section.

    Raises:
        UsageError: the mixture is not valid.
        DataError: a table of documents is missing or cannot be read.
    """
    return page(chain, survey(chain), mixture_section.mixture(mixture) if mixture else None)


def page(chain: Chain, surveyed: Survey, mixture: Section | None = None) -> str:
    """Return the page of a chain.

    Args:
        chain: the manifests behind an output.
        surveyed: what the tables of documents hold.
        mixture: the section about a mixture.
    """
    parts = flows(chain)
    sections = [
        _funnel(chain, parts),
        _components(parts, surveyed.measure),
        mixture,
        survey_section.licenses(surveyed),
        survey_section.lengths(surveyed),
        survey_section.copies(surveyed),
        survey_section.samples(surveyed),
        _failed(chain),
        _provenance(chain),
    ]
    gone = forgotten_sentence(chain)
    lead = f"Output of {chain.last.manifest.step}, manifest {chain.last.digest[:16]}"
    return render_page(
        chain.last.directory.rstrip("/").rsplit("/", 1)[-1],
        "what is inside",
        f"{lead}. Forgotten: {gone}" if gone else lead,
        _figures(chain, parts),
        [section for section in sections if section],
    )


def _figures(chain: Chain, parts: Mapping[str, Flow]) -> dict[str, str]:
    """Return the totals at the top of the page."""
    total, totals = add_flows(list(parts.values())), chain.last.manifest.totals
    heldout = sum(c.tokens for c in chain.last.manifest.heldout_components.values())
    figures = {
        "tokens": total.tokens and formatting.short_count(total.tokens),
        "held out": heldout and formatting.short_count(heldout),
        "documents": formatting.short_count(total.kept.documents),
        "text": formatting.size(total.kept.bytes),
        "of the text kept": formatting.share(total.kept.bytes, total.incoming.bytes),
        "components": formatting.count(len(parts)),
        "shards": totals.shards and formatting.count(totals.shards),
    }
    return {name: str(figure) for name, figure in figures.items() if figure}


def _funnel(chain: Chain, parts: Mapping[str, Flow]) -> Section:
    """Return the section of what each step kept and rejected."""
    taken = rejected_counts(parts)
    incoming = add_flows(list(parts.values())).incoming
    stages = [Stage("input", incoming.bytes, _both(incoming))]
    for link in chain.links:
        step, totals = link.manifest.step, link.manifest.totals
        kept = Count(documents=totals.documents, bytes=totals.bytes)
        tokens = f"{formatting.short_count(totals.tokens or 0)} tokens"
        text = tokens if step == "tokenize" else _both(kept)
        stages.append(Stage(STAGES[step], kept.bytes, text, _lost(taken.get(step, {}))))
    rows = [
        [STAGES[step], rule, *_counts(count), formatting.share(count.bytes, incoming.bytes)]
        for step in STAGES
        for rule, count in taken.get(step, {}).items()
    ]
    head = ["step", "rule", "documents", "text", "of all text"]
    return Section(
        "The funnel",
        "Bytes of text from left to right. A band that leaves shows text that a rule rejected.",
        [svg.funnel("Text kept and rejected at each stage", stages)],
        [Table(head, rows, words=2, summary=f"Every rule ({len(rows)})")],
    )


def _lost(rules: Mapping[str, Count]) -> list[Bar]:
    """Return the bars of a stage's rules, largest first; rules beyond RULES share one bar."""
    counts = largest_counts(rules, RULES, "rules")
    return [Bar(rule, count.bytes, _both(count), LOST) for rule, count in counts]


def _components(parts: Mapping[str, Flow], measure: str) -> Section:
    """Return the section of the components: the kept amount of each, in `measure`."""

    def amount(flow: Flow) -> int:
        return flow.kept.bytes if flow.tokens is None else flow.tokens

    sources = sorted({flow.source for flow in parts.values()})
    colors = {source: PALETTE[place % len(PALETTE)] for place, source in enumerate(sources)}
    write = formatting.short_count if measure == "tokens" else formatting.size
    total = sum(map(amount, parts.values()))
    bars = []
    for label, flow, _ in group_components(parts, BARS):
        text = f"{write(amount(flow))}, {formatting.share(amount(flow), total)}"
        bars.append(Bar(label, amount(flow), text, colors[flow.source]))
    rows = [
        [
            name,
            *_counts(flow.incoming),
            *(formatting.count(flow.lost(step).documents) for step in ("license_filter", "dedup")),
            *_counts(flow.kept),
            "-" if flow.tokens is None else formatting.count(flow.tokens),
        ]
        for name, flow, _ in group_components(parts, len(parts))
    ]
    first = ("component", "documents in", "text in", "rejected", "duplicates")
    head = [*first, "kept", "text", "tokens"]
    return Section(
        "Components",
        f"The kept text of each language or set, in {measure}. Each source has its own color.",
        [svg.bars(f"Components by {measure}", bars)],
        [Table(head, rows, summary=f"Every component ({len(rows)})")],
    )


def _failed(chain: Chain) -> Section | None:
    """Return the section of unreadable inputs; None where every input was read."""
    if not chain.failed:
        return None
    rows = [[letter.source, letter.input, letter.error] for letter in chain.failed]
    return Section(
        "Unreadable inputs",
        f"{formatting.plural(len(rows), 'input')}; the jobs skipped them.",
        tables=[Table(["source", "input", "reason"], rows, words=3)],
    )


def _provenance(chain: Chain) -> Section:
    """Return the section of digests and configs."""
    rows = [[STAGES[link.manifest.step], link.digest, link.manifest.digest] for link in chain.links]
    configs = []
    for link in chain.links:
        config = json.dumps(link.manifest.config, indent=2, ensure_ascii=False)
        configs.append((f"Config of {STAGES[link.manifest.step]}", config))
    head = ["step", "SHA-256 of manifest.json", "step digest"]
    lead = chain.missing or "The chain reaches the raw files."
    return Section("Provenance", lead, tables=[Table(head, rows, words=3)], texts=configs)


def _both(count: Count) -> str:
    """Return bytes and documents as text."""
    return f"{formatting.size(count.bytes)}, {formatting.short_count(count.documents)} documents"


def _counts(count: Count) -> tuple[str, str]:
    return formatting.count(count.documents), formatting.size(count.bytes)
