"""Answers of commands: JSON for programs, and for people what Rich prints."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but tabs and line ends; those that turn the order of what follows them
(Unicode TR 9, 2.1 to 2.4); and halves of characters, which cannot be printed."""


def printable(text: str) -> str:
    """Return text that no terminal obeys: what would command it is replaced by U+FFFD."""
    return COMMANDS.sub("\ufffd", re.sub(r"\r(?=\n|\Z)", "", text))


def unwrapped(text: str) -> Text:
    """Return text that keeps its lines, however long they are: others may read what is printed."""
    return Text(printable(text), no_wrap=True, overflow="ignore")


class TameTable(Table):
    """A table whose cells no terminal obeys."""

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """Add a row of cells."""
        tame = (printable(cell) if isinstance(cell, str) else cell for cell in cells)
        super().add_row(*tame, **options)


def numbers_table(title: str, *heads: str) -> Table:
    """Return a table that has room in 80 columns: its first column is words, the others numbers."""
    table = TameTable(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=0,
    )
    for place, head in enumerate(heads):
        side: Literal["right", "left"] = "right" if place else "left"
        table.add_column(head, justify=side, overflow="fold", no_wrap=not place)
    return table


def print_answer(answer: RenderableType) -> None:
    """Print an answer on stdout: as wide as a terminal is, or as it needs where there is none."""
    console = Console(highlight=False, markup=False)
    # In a group, because Rich joins texts that it prints by themselves, and wraps the whole.
    grouped = Group(unwrapped(answer) if isinstance(answer, str) else answer)
    if not console.is_terminal:
        console.width = max(console.width, console.measure(grouped).maximum)
    console.print(grouped, crop=False)


def answer(as_json: bool, values: Mapping[str, Any], render: Callable[[], RenderableType]) -> None:
    """Print an answer on stdout: `values` as one JSON object, or what `render` returns."""
    if as_json:
        found = json.dumps(values, ensure_ascii=False)
        print(COMMANDS.sub(lambda each: f"\\u{ord(each[0]):04x}", found))
    else:
        print_answer(render())
