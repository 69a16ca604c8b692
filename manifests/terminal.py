"""Answers for people, as Rich prints them."""

from typing import Literal

from rich import box
from rich.table import Table
from rich.text import Text


def unwrapped(text: str) -> Text:
    """Return text that keeps its lines, however long they are: others may read what is printed."""
    return Text(text, no_wrap=True, overflow="ignore")


def numbers_table(title: str, *heads: str) -> Table:
    """Return a table that has room in 80 columns: its first column is words, the others numbers."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.pad_edge = False
    for place, head in enumerate(heads):
        side: Literal["right", "left"] = "right" if place else "left"
        table.add_column(head, justify=side, overflow="fold", no_wrap=not place)
    return table
