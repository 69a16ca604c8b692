"""Elements of an HTML page: sections, tables, disclosures. These functions escape every text."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from pipelines.report.svg import tag


def section(title: str, lead: str, *content: str) -> str:
    """Return a section: its title, a first sentence, and elements."""
    return tag("section", tag("h2", escape(title)) + tag("p", escape(lead)) + "".join(content))


def figure(svg: str) -> str:
    """Return a drawing as a figure."""
    return tag("figure", svg)


def details(
    summary: str, head: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1
) -> str:
    """Return a table that opens at a click or a key; an empty string without rows."""
    return disclosure(summary, table(head, rows, words)) if rows else ""


def disclosure(summary: str, content: str) -> str:
    """Return content that opens at a click or a key."""
    return tag("details", tag("summary", escape(summary)) + content)


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], words: int = 1) -> str:
    """Return a table whose first `words` columns are words and whose other columns are numbers."""

    def cells(name: str, values: Sequence[Any], **attributes: str) -> str:
        return "".join(
            tag(name, escape(str(value)) or "&nbsp;", **attributes)
            if place < words
            else tag(name, escape(str(value)) or "&nbsp;", class_="number", **attributes)
            for place, value in enumerate(values)
        )

    top = tag("thead", tag("tr", cells("th", head, scope="col")))
    body = tag("tbody", "".join(tag("tr", cells("td", row)) for row in rows))
    return tag("div", tag("table", top + body), class_="wide")
