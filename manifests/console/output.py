"""Output of commands: JSON for programs, and tables and text for people."""

import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

CONTROL_CHARACTERS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters except tabs and line feeds, characters that change the direction of text
(Unicode TR 9, sections 2.1 to 2.4), and surrogates, which cannot be encoded."""


def printable(text: str) -> str:
    """Return text with U+FFFD in place of control characters, which a terminal would obey."""
    return CONTROL_CHARACTERS.sub("\ufffd", re.sub(r"\r(?=\n|\Z)", "", text))


def unwrapped(text: str) -> Text:
    """Return printable text whose lines are not wrapped, because programs may read the output."""
    return Text(printable(text), no_wrap=True, overflow="ignore")


class PrintableTable(Table):
    """A table that replaces control characters in its cells."""

    def __init__(self, title: str, **options: Any) -> None:
        """Return a table with a title and options of rich.table.Table."""
        style: dict[str, Any] = {
            "title_justify": "left",
            "title_style": "bold",
            "box": box.SIMPLE_HEAD,
        }
        super().__init__(title=title, **style, **options)

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """Add a row of cells."""
        safe = (printable(cell) if isinstance(cell, str) else cell for cell in cells)
        super().add_row(*safe, **options)


def numbers_table(title: str, *heads: str) -> Table:
    """Return a compact table: the first column has text, the other columns have numbers."""
    table = PrintableTable(title, pad_edge=False, padding=0)
    for number, head in enumerate(heads):
        side: Literal["right", "left"] = "right" if number else "left"
        table.add_column(head, justify=side, overflow="fold", no_wrap=not number)
    return table


def print_answer(answer: RenderableType) -> None:
    """Print on stdout, as wide as the terminal, or without a terminal as wide as needed."""
    console = Console(highlight=False, markup=False)
    # Rich joins and wraps text that is printed alone; text in a group keeps its lines.
    grouped = Group(unwrapped(answer) if isinstance(answer, str) else answer)
    if not console.is_terminal:
        console.width = max(console.width, console.measure(grouped).maximum)
    console.print(grouped, crop=False)


def print_json(values: Mapping[str, Any]) -> None:
    """Print values on stdout as one JSON object, its control characters escaped."""
    text = json.dumps(values, ensure_ascii=False)
    print(CONTROL_CHARACTERS.sub(lambda match: f"\\u{ord(match[0]):04x}", text))
