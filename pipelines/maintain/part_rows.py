"""Rows of the tables of parts of `compact` and `materialize`."""

from typing import TypedDict


class PartRow(TypedDict):
    """What every table of parts has: the name of a receipt, its input, and the shard's number."""

    part: str
    source: str
    input: str
    number: int
