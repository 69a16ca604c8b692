"""Build one self-contained HTML page about an output, with drawings as SVG and no script."""

import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files as package_files
from string import Template

from manifests.console import formatting
from manifests.lineage.chain import Chain, Flow, flows
from manifests.lineage.receipts import Count
from pipelines.inspect.forgotten import forgotten_sentence
from pipelines.inspect.summary import add_flows, group_components, rejected_counts
from pipelines.inspect.survey import Survey, survey
from pipelines.report import mixture_section, survey_section, svg
from pipelines.report.html import details, disclosure, figure, section, table
from pipelines.report.svg import LOST, PALETTE, Bar, Stage, tag

BARS = 20
"""Components with a bar of their own. The table below the drawing lists every component."""

RULES = 6
"""Rules with a band of their own at each stage. The other rules of a stage share one band."""

STAGES = {
    "license_filter": "license filter",
    "dedup": "dedup",
    "tokenize": "tokenize",
}


def report(chain: Chain, mixture: str | None = None) -> str:
    """Return the page of an output. Equal outputs give equal pages.

    Args:
        chain: the manifests behind the output.
        mixture: the path of a MIX.toml; its epochs get a section.

    Raises:
        UsageError: the mixture is not valid.
        DataError: a table of documents is missing or cannot be read.
    """
    return page(chain, survey(chain), mixture_section.mixture(mixture) if mixture else "")


def page(chain: Chain, surveyed: Survey, mixture: str = "") -> str:
    """Return the page of a chain.

    Args:
        chain: the manifests behind an output.
        surveyed: what the tables of documents hold.
        mixture: the HTML of the section about a mixture.
    """
    parts = flows(chain)
    body = [
        _head(chain, parts),
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
    template = (
        package_files("pipelines.report").joinpath("templates/report.html").read_text("utf-8")
    )
    title = escape(f"{_name(chain)}: what is inside")
    return Template(template).substitute(title=title, body="\n".join(filter(None, body)))


def _name(chain: Chain) -> str:
    """Return the name of the output's directory."""
    return chain.last.directory.rstrip("/").rsplit("/", 1)[-1]


def _head(chain: Chain, parts: Mapping[str, Flow]) -> str:
    """Return the title and the totals."""
    total, totals = add_flows(list(parts.values())), chain.last.manifest.totals
    heldout = sum(c.tokens for c in chain.last.manifest.heldout_components.values())
    numbers = [
        ("tokens", total.tokens and formatting.short_count(total.tokens)),
        ("held out", heldout and f"{formatting.short_count(heldout)}"),
        ("documents", formatting.short_count(total.kept.documents)),
        ("text", formatting.size(total.kept.bytes)),
        ("of the text kept", formatting.share(total.kept.bytes, total.came.bytes)),
        ("components", formatting.count(len(parts))),
        ("shards", totals.shards and formatting.count(totals.shards)),
    ]
    cells = "".join(
        tag("div", tag("dt", escape(name)) + tag("dd", escape(str(value))))
        for name, value in numbers
        if value
    )
    lead = f"Output of {chain.last.manifest.step}, manifest {chain.last.digest[:16]}"
    gone = forgotten_sentence(chain)
    lead += f". Forgotten: {gone}" if gone else ""
    return (
        tag("h1", escape(_name(chain)))
        + tag("p", escape(lead), class_="soft")
        + tag("dl", cells, class_="figures")
    )


def _funnel(chain: Chain, parts: Mapping[str, Flow]) -> str:
    """Return the section of what each step kept and rejected."""
    taken = rejected_counts(parts)
    came = add_flows(list(parts.values())).came
    stages = [Stage("input", came.bytes, _both(came))]
    for link in chain.links:
        step, totals = link.manifest.step, link.manifest.totals
        kept = Count(documents=totals.documents, bytes=totals.bytes)
        text = (
            _both(kept)
            if step != "tokenize"
            else f"{formatting.short_count(totals.tokens or 0)} tokens"
        )
        stages.append(Stage(STAGES[step], kept.bytes, text, _lost(taken.get(step, {}))))
    rows = [
        [STAGES[step], rule, *_counts(count), formatting.share(count.bytes, came.bytes)]
        for step in STAGES
        for rule, count in taken.get(step, {}).items()
    ]
    head = ["step", "rule", "documents", "text", "of all text"]
    return section(
        "The funnel",
        "Bytes of text from left to right. A band that leaves shows text that a rule rejected.",
        figure(svg.funnel("Text kept and rejected at each stage", stages)),
        details(f"Every rule ({len(rows)})", head, rows, words=2),
    )


def _lost(rules: Mapping[str, Count]) -> list[Bar]:
    """Return the bars of a stage's rules, largest first; rules beyond RULES share one bar."""
    ordered = sorted(rules.items(), key=lambda item: (-item[1].bytes, item[0]))
    alone = ordered if len(ordered) <= RULES else ordered[: RULES - 1]
    bars = [Bar(rule, count.bytes, _both(count), LOST) for rule, count in alone]
    rest = ordered[len(alone) :]
    if rest:
        count = sum((lost for _, lost in rest), Count())
        bars.append(Bar(f"{len(rest)} other rules", count.bytes, _both(count), LOST))
    return bars


def _components(parts: Mapping[str, Flow], measure: str) -> str:
    """Return the section of the components: the kept amount of each, in `measure`."""

    def amount(flow: Flow) -> int:
        return flow.kept.bytes if flow.tokens is None else flow.tokens

    sources = sorted({flow.source for flow in parts.values()})
    colors = {source: PALETTE[place % len(PALETTE)] for place, source in enumerate(sources)}
    write = formatting.short_count if measure == "tokens" else formatting.size
    total = sum(map(amount, parts.values()))
    bars = [
        Bar(
            label,
            amount(flow),
            f"{write(amount(flow))}, {formatting.share(amount(flow), total)}",
            colors[flow.source],
        )
        for label, flow, _ in group_components(parts, BARS)
    ]
    rows = [
        [
            name,
            *_counts(flow.came),
            *(formatting.count(flow.lost(step).documents) for step in ("license_filter", "dedup")),
            *_counts(flow.kept),
            "-" if flow.tokens is None else formatting.count(flow.tokens),
        ]
        for name, flow, _ in group_components(parts, len(parts))
    ]
    head = [
        "component",
        "documents in",
        "text in",
        "rejected",
        "duplicates",
        "kept",
        "text",
        "tokens",
    ]
    return section(
        "Components",
        f"The kept text of each language or set, in {measure}. Each source has its own color.",
        figure(svg.bars(f"Components by {measure}", bars)),
        details(f"Every component ({len(rows)})", head, rows),
    )


def _failed(chain: Chain) -> str:
    """Return the section of unreadable inputs; an empty string where every input was read."""
    if not chain.failed:
        return ""
    rows = [[letter.source, letter.input, letter.error] for letter in chain.failed]
    return section(
        "Unreadable inputs",
        f"{formatting.plural(len(rows), 'input')}; the jobs went on without them.",
        table(["source", "input", "reason"], rows, words=3),
    )


def _provenance(chain: Chain) -> str:
    """Return the section of digests and configs."""
    rows = [[STAGES[link.manifest.step], link.digest, link.manifest.digest] for link in chain.links]
    configs = "".join(
        disclosure(
            f"Config of {STAGES[link.manifest.step]}",
            tag(
                "pre",
                escape(json.dumps(link.manifest.config, indent=2, ensure_ascii=False)),
                tabindex=0,
            ),
        )
        for link in chain.links
    )
    ends = chain.missing or "The chain reaches the raw files."
    head = ["step", "SHA-256 of manifest.json", "step digest"]
    return section("Provenance", ends, table(head, rows, words=3), configs)


def _both(count: Count) -> str:
    """Return bytes and documents as text."""
    return f"{formatting.size(count.bytes)}, {formatting.short_count(count.documents)} documents"


def _counts(count: Count) -> tuple[str, str]:
    return formatting.count(count.documents), formatting.size(count.bytes)
