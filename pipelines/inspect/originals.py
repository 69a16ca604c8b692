"""Texts of rejected documents. No output holds them, so they are read from the inputs."""

from collections.abc import Iterable, Mapping
from os.path import dirname
from typing import Any, NamedTuple

import pyarrow as pa

from manifests.errors import DataError, InputError
from manifests.io import files
from manifests.io.parquet import read_table
from manifests.lineage.chain import Chain
from manifests.schemas import PLAN_FILE
from pipelines.corpus.source_table import Source


class InputRow(NamedTuple):
    """A row of an input.

    Attributes:
        source: name of the source in CORPUS.toml.
        input: path of the input below the source's root.
        row: number of the row in the input, from 0.
        bytes: length of the text that was judged, as UTF-8.
    """

    source: str
    input: str
    row: int
    bytes: int


def texts(chain: Chain, rows: Iterable[InputRow]) -> dict[InputRow, str]:
    """Return the texts of rows, without those whose input is missing, changed or hard to read.

    Args:
        chain: with license_filter. plan.parquet beside it names the inputs.
        rows: from decisions/.
    """
    link = chain.link("license_filter")
    plan = files.join(dirname(link.directory.rstrip("/")) or ".", PLAN_FILE) if link else ""
    by_input: dict[tuple[str, str], list[InputRow]] = {}
    for row in rows:
        by_input.setdefault((row.source, row.input), []).append(row)
    if not link or not by_input or not files.exists(plan):
        return {}
    columns = read_table(plan, ["source", "input", "url", "bytes", "version"]).to_pylist()
    inputs = {(row["source"], row["input"]): row for row in columns}
    tables = (Source.model_validate(table) for table in link.manifest.config.get("source", []))
    sources = {table.name: table for table in tables}
    result: dict[InputRow, str] = {}
    for key, wanted in by_input.items():
        if key in inputs and key[0] in sources and _is_unchanged(inputs[key]):
            result |= _read(sources[key[0]], inputs[key]["url"], wanted)
    return result


def _is_unchanged(row: Mapping[str, Any]) -> bool:
    """Return whether an input of the plan still has its size and version."""
    try:
        return files.stamp(row["url"]) == (row["bytes"], row["version"])
    except (DataError, OSError):
        return False


def _read(source: Source, url: str, rows: list[InputRow]) -> dict[InputRow, str]:
    """Return the texts of rows of one input; nothing if the input cannot be read here."""
    try:
        by_number = source.layout.texts(url, rows[0].input, {row.row for row in rows})
    except (InputError, DataError, pa.ArrowException, OSError, ImportError):
        return {}
    pairs = ((row, by_number.get(row.row)) for row in rows)
    return {row: text for row, text in pairs if text and len(text.encode()) == row.bytes}
