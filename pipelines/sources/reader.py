"""From a source's files to rows: which inputs it has, how they are cut, how a cut is read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from filters.quality.batch import Genre
from filters.quality.scope import genre_of_component
from manifests.errors import InputError
from pipelines.corpus.corpus import PIECE_BYTES, Columns, Source
from pipelines.sources import (
    jsonl_input,
    own,
    parquet_input,
    starcoderdata,
    the_pile,
    the_stack,
    the_stack_v2,
)
from pipelines.sources.rows import ROWS, Holds, RowBuilder

PARQUET = ("the-stack", "the-stack-v2", "starcoderdata", "parquet")

_LAYOUTS = {
    "the-stack": the_stack,
    "the-stack-v2": the_stack_v2,
    "starcoderdata": starcoderdata,
    "the-pile": the_pile,
}


@dataclass(frozen=True)
class Piece:
    """The rows of one part; `last` says that the input holds no more."""

    number: int
    rows: pa.Table
    last: bool


def component_of_input(source: Source, path: str) -> str | None:
    """Return the slug of the only component of an input, where its path tells."""
    layout = _LAYOUTS.get(source.kind)
    return layout.component_of_input(path) if layout else None


def refusal(source: Source, path: str) -> str | None:
    """Return why an input is passed over, by its name; None where it is read."""
    layout = _LAYOUTS.get(source.kind)
    return layout.refusal(path) if layout else None


def genre(source: Source, component: str) -> Genre:
    """Return whether the documents of a component, by its slug, are code or prose."""
    if source.kind in ("parquet", "jsonl"):
        return genre_of_component(component)
    return "code" if source.kind != "the-pile" or component == "github" else "prose"


def cut(source: Source, url: str) -> list[tuple[int, int | None]]:
    """Return the ranges of an input that become parts; (0, None) for one that is read in a row.

    Raises:
        InputError: it cannot be read, or lacks a column.
    """
    columns, text = _columns(source)
    if source.kind in PARQUET:
        return list(parquet_input.cut(url, columns, text, PIECE_BYTES))
    for _, record, _ in jsonl_input.lines(url):
        if record is not None and text not in record:
            raise InputError(f"{url}: the key {text!r} is missing; it has {', '.join(record)}")
        break
    return [(0, None)]


def pieces(source: Source, path: str, url: str, start: int, stop: int | None) -> Iterator[Piece]:
    """Yield the parts of a range of an input, in order.

    Raises:
        InputError: the input cannot be read to its end.
    """
    if source.kind in PARQUET:
        assert stop is not None
        yield Piece(0, _parquet_rows(source, path, url, start, stop), True)
    else:
        yield from _jsonl_pieces(source, url)


def _columns(source: Source) -> tuple[Mapping[str, Holds], str]:
    if source.kind in ("parquet", "jsonl"):
        columns = source.columns or Columns()
        return own.wanted(columns, source.partition_by), columns.text
    if source.kind == "the-pile":
        return {the_pile.REQUIRED: "text"}, the_pile.REQUIRED
    return _LAYOUTS[source.kind].COLUMNS, "content"


def _parquet_rows(source: Source, path: str, url: str, start: int, stop: int) -> pa.Table:
    columns, _ = _columns(source)
    batches = []
    for first_row, table in parquet_input.read(url, start, stop, list(columns)):
        if source.kind == "parquet":
            batch = own.rows(table, first_row, source)
        else:
            batch = _LAYOUTS[source.kind].rows(table, first_row, path)
        batches.append(batch)
    return pa.concat_tables(batches) if batches else ROWS.empty_table()


def _jsonl_pieces(source: Source, url: str) -> Iterator[Piece]:
    """Cut at PIECE_BYTES of text; a piece is given when the next line shows that it is not last."""
    builder, number = RowBuilder(), 0
    for line, record, fault in jsonl_input.lines(url):
        if builder.bytes >= PIECE_BYTES:
            yield Piece(number, builder.table(), False)
            builder, number = RowBuilder(), number + 1
        builder.add(input_row=line, **_row(source, record, fault))
    yield Piece(number, builder.table(), True)


def _row(source: Source, record: dict[str, Any] | None, fault: str | None) -> dict[str, Any]:
    if source.kind == "the-pile":
        fields = the_pile.row(record or {})
    else:
        fields = own.row(record or {}, source)
    return {**fields, "fault": fault} if fault else fields
