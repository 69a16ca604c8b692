"""What a section of a page holds. templates/page.html lays the sections out."""

from collections.abc import Sequence
from dataclasses import dataclass


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
class Excerpt:
    """The front of a text.

    Attributes:
        title: heading.
        about: a line below the heading.
        text: the front; empty if the text is empty.
        rest: a line below the text; empty if the front is the whole text.
    """

    title: str
    about: str
    text: str
    rest: str = ""


@dataclass(frozen=True)
class Section:
    """A section: its title, a first sentence, and what follows, in the order of the attributes.

    Attributes:
        drawings: SVG.
        tables: those without rows are left out.
        note: a title, a paragraph and an SVG.
        texts: pairs of a summary and a preformatted text that opens at a click or a key.
        excerpts: of documents.
    """

    title: str
    lead: str
    drawings: Sequence[str] = ()
    tables: Sequence[Table] = ()
    note: tuple[str, str, str] | None = None
    texts: Sequence[tuple[str, str]] = ()
    excerpts: Sequence[Excerpt] = ()
