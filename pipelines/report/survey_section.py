"""Sections of the report about documents: licenses, lengths, duplicates and samples."""

from manifests.console import formatting
from manifests.lineage.receipts import Count
from pipelines.inspect.survey import Survey
from pipelines.report import svg
from pipelines.report.section import Section, Table
from pipelines.report.svg import PALETTE, Bar

BARS = 20
"""Licenses with a bar of their own. The table below the drawing lists every license."""

SIMILARITY = (
    "The Jaccard similarity of the shingles of a near-duplicate and of the kept document, "
    "estimated from signatures, or exact where the job compared exactly. A document below the "
    "threshold is similar to other documents of the cluster."
)


def licenses(surveyed: Survey) -> Section:
    """Return the section of the licenses of the kept documents."""
    ordered = sorted(surveyed.licenses.items(), key=lambda item: (-item[1].bytes, item[0]))
    total = sum(count.bytes for _, count in ordered)
    alone = ordered if len(ordered) <= BARS else ordered[: BARS - 1]
    rest = ordered[len(alone) :]
    drawn = [
        (name or "none known", count, PALETTE[0] if name else PALETTE[5]) for name, count in alone
    ]
    if rest:
        count = sum((other for _, other in rest), Count())
        drawn.append((f"{len(rest)} other expressions", count, PALETTE[5]))
    bars = [
        Bar(
            name,
            count.bytes,
            f"{formatting.share(count.bytes, total)}, "
            f"{formatting.plural(count.documents, 'document')}",
            color,
        )
        for name, count, color in drawn
    ]
    rows = [
        [name or "none known", formatting.count(count.documents), formatting.count(count.bytes)]
        for name, count in ordered
    ]
    return Section(
        "Licenses",
        f"SPDX expressions of the kept documents, in {surveyed.measure}. " + _read_note(surveyed),
        [svg.bars(f"Licenses by {surveyed.measure}", bars)] if bars else (),
        [
            Table(
                ["license", "documents", surveyed.measure],
                rows,
                summary=f"Every expression ({len(rows)})",
            )
        ],
    )


def lengths(surveyed: Survey) -> Section | None:
    """Return the section of document lengths; None without documents."""
    if not surveyed.lengths:
        return None
    powers = range(min(surveyed.lengths), max(surveyed.lengths) + 1)
    total = sum(surveyed.lengths.values())
    bars = [
        Bar(_short_power(power), number, _percent(number, total))
        for power in powers
        for number in [surveyed.lengths.get(power, 0)]
    ]
    title = "Length of documents"
    axis = (
        f"{surveyed.measure} a document (1k is 1,024); each column ends at the next column's number"
    )
    rows = [[_power(power), formatting.count(surveyed.lengths.get(power, 0))] for power in powers]
    return Section(
        title,
        f"Percent of documents by their length in {surveyed.measure}. " + _read_note(surveyed),
        [svg.columns(title, bars, axis)],
        [Table([f"{surveyed.measure} from", "documents"], rows, summary="As a table")],
    )


def copies(surveyed: Survey) -> Section | None:
    """Return the section of cluster sizes and similarities; None without clusters."""
    if not surveyed.clusters:
        return None
    binned: dict[int, int] = {}
    for size, number in surveyed.clusters.items():
        power = max(1, size - 1).bit_length() - 1
        binned[power] = binned.get(power, 0) + number
    bars = [
        Bar(
            _cluster_label(power),
            binned.get(power, 0),
            formatting.short_count(binned.get(power, 0)),
        )
        for power in range(max(binned) + 1)
    ]
    rows = [
        [formatting.count(s), formatting.count(n)] for s, n in sorted(surveyed.clusters.items())
    ]
    near = [
        Bar(f"{place / 20:.2f}", number, formatting.short_count(number), PALETTE[1])
        for place in range(min(surveyed.similarity, default=0), 21)
        for number in [surveyed.similarity.get(place, 0)]
    ]
    title = "Near-duplicates by similarity"
    axis = "Jaccard similarity, each column up to its own number"
    return Section(
        "Duplicate clusters",
        "Clusters by their number of documents. One document of each cluster is kept.",
        [svg.columns("Clusters by size", bars, "documents in a cluster")],
        [Table(["documents in a cluster", "clusters"], rows, summary=f"Every size ({len(rows)})")],
        (title, SIMILARITY, svg.columns(title, near, axis)) if surveyed.similarity else None,
    )


def samples(surveyed: Survey) -> Section | None:
    """Return the section of sample documents; None without samples."""
    if not surveyed.samples:
        return None
    return Section(
        "Samples",
        "One document of each of the largest components, chosen by the digest of the manifest.",
        samples=surveyed.samples,
    )


def _power(power: int) -> str:
    """Return the shortest length of a bin: 2^(power - 1), or 0."""
    return "0" if power == 0 else formatting.count(1 << (power - 1))


def _short_power(power: int) -> str:
    """Return 2^(power - 1) in few characters: 512, 1k, 2k ... 1M."""
    digits = max(0, power - 1)
    unit = min(digits // 10, 4)
    return "0" if power == 0 else f"{1 << (digits - 10 * unit)}{['', 'k', 'M', 'G', 'T'][unit]}"


def _percent(part: int, whole: int) -> str:
    """Return a share in percent without its unit."""
    return formatting.share(part, whole).removesuffix(" %").replace(" ", "")


def _cluster_label(power: int) -> str:
    """Return the range of cluster sizes of a bin."""
    first, last = (1 << power) + 1, (2 << power)
    return (
        formatting.count(first)
        if first == last
        else f"{formatting.count(first)}-{formatting.count(last)}"
    )


def _read_note(surveyed: Survey) -> str:
    """Return how many tables were counted, where not all were."""
    if surveyed.read == surveyed.tables:
        return ""
    return (
        f"Counted in {formatting.count(surveyed.read)} of {formatting.count(surveyed.tables)} "
        "tables, evenly spread."
    )
