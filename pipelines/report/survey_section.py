"""Sections of the report about documents: licenses, lengths, duplicates and samples."""

from collections import Counter
from collections.abc import Mapping

from manifests.console import formatting
from manifests.lineage.receipts import Count
from manifests.page import svg
from manifests.page.section import Excerpt, Section, Table
from manifests.page.svg import PALETTE, Bar
from pipelines.inspect.survey import Sample, Survey

BARS = 20
"""Licenses with a bar of their own. The table below the drawing lists every license."""

SAMPLE_CHARACTERS = 1500
"""Characters of a sample that are shown. A note says how many more there are."""

UNKNOWN = "none known"
"""Label of documents without a known license."""

SIMILARITY = (
    "The Jaccard similarity of the shingles of a near-duplicate and of the kept document, "
    "estimated from signatures, or exact where the job compared exactly. A document below the "
    "threshold is similar to other documents of the cluster."
)


def licenses(surveyed: Survey) -> Section:
    """Return the section of the licenses of the kept documents."""
    counts = surveyed.licenses
    total = sum(count.bytes for count in counts.values())
    bars = []
    for name, count in largest_counts(counts, BARS, "expressions"):
        share = formatting.share(count.bytes, total)
        text = f"{share}, {formatting.plural(count.documents, 'document')}"
        color = PALETTE[0] if name and name in counts else PALETTE[5]
        bars.append(Bar(name or UNKNOWN, count.bytes, text, color))
    rows = [
        [name or UNKNOWN, formatting.count(count.documents), formatting.count(count.bytes)]
        for name, count in largest_counts(counts, len(counts), "expressions")
    ]
    head = ["license", "documents", surveyed.measure]
    return Section(
        "Licenses",
        f"SPDX expressions of the kept documents, in {surveyed.measure}. " + _read_note(surveyed),
        [svg.bars(f"Licenses by {surveyed.measure}", bars)] if bars else (),
        [Table(head, rows, summary=f"Every expression ({len(rows)})")],
    )


def lengths(surveyed: Survey) -> Section | None:
    """Return the section of document lengths; None without documents."""
    if not surveyed.lengths:
        return None
    powers = range(min(surveyed.lengths), max(surveyed.lengths) + 1)
    numbers = [(power, surveyed.lengths.get(power, 0)) for power in powers]
    total = sum(surveyed.lengths.values())
    bars = [Bar(_short_power(power), number, _percent(number, total)) for power, number in numbers]
    title = "Length of documents"
    axis = (
        f"{surveyed.measure} a document (1k is 1,024); each column ends at the next column's number"
    )
    rows = [[_power(power), formatting.count(number)] for power, number in numbers]
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
    binned: Counter[int] = Counter()
    for size, number in surveyed.clusters.items():
        binned[max(1, size - 1).bit_length() - 1] += number
    bars = [
        Bar(_cluster_label(power), binned[power], formatting.short_count(binned[power]))
        for power in range(max(binned) + 1)
    ]
    rows = [list(map(formatting.count, item)) for item in sorted(surveyed.clusters.items())]
    similarity = Counter(surveyed.similarity)
    near = [
        Bar(f"{end / 20:.2f}", similarity[end], formatting.short_count(similarity[end]), PALETTE[1])
        for end in range(min(similarity, default=0), 21)
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
        excerpts=[_excerpt(sample) for sample in surveyed.samples],
    )


def _excerpt(sample: Sample) -> Excerpt:
    """Return the front of a sample, and where its document is from."""
    origin, text = sample.origin, sample.text
    about = [
        ", ".join(origin["repositories"]) or "no repository",
        origin["license"] or "no license known",
        f"id {origin['id']}",
    ]
    if "tokens" in origin:
        about.append(formatting.plural(origin["tokens"], "token"))
    more = len(text) - SAMPLE_CHARACTERS
    return Excerpt(
        f"{origin['component']}: {origin['path'] or 'no path'}",
        " · ".join(about),
        text[:SAMPLE_CHARACTERS],
        f"... and {formatting.plural(more, 'more character')}" if more > 0 else "",
    )


def largest_counts(counts: Mapping[str, Count], most: int, others: str) -> list[tuple[str, Count]]:
    """Return at most `most` counts, the largest texts first; the last one may stand for the rest.

    Args:
        counts: name -> count.
        most: maximum length of the result.
        others: noun for the rest: `rules` makes the name "5 other rules".
    """
    ordered = sorted(counts.items(), key=lambda item: (-item[1].bytes, item[0]))
    if len(ordered) <= most:
        return ordered
    rest = [count for _, count in ordered[most - 1 :]]
    return [*ordered[: most - 1], (f"{len(rest)} other {others}", sum(rest, Count()))]


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
    return "-".join(formatting.count(size) for size in sorted({first, last}))


def _read_note(surveyed: Survey) -> str:
    """Return how many tables were counted, where not all were."""
    if surveyed.read == surveyed.tables:
        return ""
    return (
        f"Counted in {formatting.count(surveyed.read)} of {formatting.count(surveyed.tables)} "
        "tables, evenly spread."
    )
