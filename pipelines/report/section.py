"""What a section of the report holds. templates/report.html lays the sections out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from manifests.lineage.receipts import Count
from pipelines.inspect.survey import Sample


@dataclass(frozen=True)
class Table:
    """A table that opens at a click or a key, or an open table without a summary.

    Attributes:
        head: the names of the columns.
        rows: texts, one for each column.
        words: the first so many columns are words, the others numbers.
        summary: the text to click on; empty for an open table.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1
    summary: str = ""


@dataclass(frozen=True)
class Section:
    """A section: its title, a first sentence, and what follows, in the order of the attributes.

    Attributes:
        drawings: SVG.
        tables: those without rows are left out.
        note: a title, a paragraph and an SVG.
        texts: pairs of a summary and a preformatted text that opens at a click or a key.
        samples: documents.
    """

    title: str
    lead: str
    drawings: Sequence[str] = ()
    tables: Sequence[Table] = ()
    note: tuple[str, str, str] | None = None
    texts: Sequence[tuple[str, str]] = ()
    samples: Sequence[Sample] = ()


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
