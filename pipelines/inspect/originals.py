"""Texts of rejected documents: they are in no output, so from the input, where it is as it was."""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os.path import dirname
from typing import IO, Any, NamedTuple, cast

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.errors import DataError
from manifests.io import files
from manifests.lineage.chain import Chain
from manifests.verify.parts import read_table

LOOK = 256 << 20
"""Bytes of text of a JSON-lines file that are read, at most, to get to a line of it."""

COLUMNS = {"the-pile": "text", "parquet": "text", "jsonl": "text"}
"""Kind of source -> its column of texts; of the others it is `content`."""


class Place(NamedTuple):
    """Where a row came in.

    Attributes:
        source: its name in CORPUS.toml.
        input: the file, relative to the source's root.
        row: of the file, from 0, as decisions/ has it.
        bytes: of the text that was decided upon, as UTF-8.
    """

    source: str
    input: str
    row: int
    bytes: int


def texts(chain: Chain, places: Iterable[Place]) -> dict[Place, str]:
    """Return the texts of rows; those are left out whose input is gone, changed or far to read.

    Args:
        chain: with license_filter; beside it lies plan.parquet, which knows where inputs are.
        places: rows of decisions/.
    """
    wanted: dict[tuple[str, str], list[Place]] = {}
    for place in places:
        wanted.setdefault((place.source, place.input), []).append(place)
    found: dict[Place, str] = {}
    urls = _urls(chain, wanted) if wanted else {}
    for (source, name), mine in wanted.items():
        url = urls.get((source, name))
        if url is not None:
            rows = {place.row for place in mine}
            values = _read(url, _column(chain, source), rows)
            told = {place: _as_decided(values.get(place.row), place.bytes) for place in mine}
            found |= {place: text for place, text in told.items() if text is not None}
    return found


def _urls(chain: Chain, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return where inputs lie that are what was planned; nothing where nobody knows."""
    link = chain.link("license_filter")
    plan = files.join(dirname(link.directory.rstrip("/")) or ".", "plan.parquet") if link else ""
    if not link or not files.exists(plan):
        return {}
    rows = read_table(plan, ["source", "input", "url", "bytes", "version"]).to_pylist()
    planned = {(row["source"], row["input"]): row for row in rows}
    return {
        key: str(planned[key]["url"])
        for key in wanted
        if key in planned and _is_unchanged(planned[key])
    }


def _is_unchanged(row: Mapping[str, Any]) -> bool:
    url = row["url"]
    try:
        same = files.exists(url) and files.size(url) == row["bytes"]
        return bool(same and files.version(url) == row["version"])
    except (DataError, OSError):
        return False


def _column(chain: Chain, source: str) -> str:
    link = chain.link("license_filter")
    declared: Sequence[Mapping[str, Any]] = link.manifest.config.get("source", []) if link else []
    for each in declared:
        if each.get("name") == source:
            named = (each.get("columns") or {}).get("text")
            return str(named or COLUMNS.get(str(each.get("kind")), "content"))
    return "content"


def _read(url: str, column: str, rows: set[int]) -> dict[int, Any]:
    """Return row -> what its column of texts holds; nothing of what cannot be read."""
    try:
        return (
            _parquet(url, column, rows) if url.endswith(".parquet") else _lines(url, column, rows)
        )
    except (DataError, pa.ArrowException, OSError, EOFError, zlib.error, ValueError, ImportError):
        return {}


def _parquet(url: str, column: str, rows: set[int]) -> dict[int, Any]:
    found: dict[int, Any] = {}
    with files.open_input(url) as source, pq.ParquetFile(source) as file:
        first = 0
        for group in range(file.num_row_groups):
            stop = first + file.metadata.row_group(group).num_rows
            mine = sorted(row for row in rows if first <= row < stop)
            if mine:
                table = file.read_row_group(group, [column])[column].cast(pa.large_binary())
                found |= {row: table[row - first].as_py() for row in mine}
            first = stop
    return found


def _lines(url: str, column: str, rows: set[int]) -> dict[int, Any]:
    """Lines are counted as they are read by the job: blank ones are none."""
    found: dict[int, Any] = {}
    with files.open_input(url) as source:
        number = read = 0
        for line in _opened(url, source):
            read += len(line)
            if read > LOOK or len(found) == len(rows):
                break
            if line.strip():
                if number in rows:
                    record = json.loads(line)
                    found[number] = record.get(column) if isinstance(record, dict) else None
                number += 1
    return found


def _opened(url: str, source: IO[bytes]) -> Iterator[bytes]:
    if url.endswith((".zst", ".zstd")):
        return _zstd_lines(source)
    if url.endswith(".gz"):
        return iter(cast(Iterable[bytes], gzip.GzipFile(fileobj=source)))
    return iter(source)


def _zstd_lines(source: IO[bytes]) -> Iterator[bytes]:
    import zstandard

    unzip = zstandard.ZstdDecompressor(max_window_size=1 << 31)
    pending = b""
    try:
        with unzip.stream_reader(source, read_across_frames=True) as reader:
            while chunk := reader.read(1 << 20):
                *lines, pending = (pending + chunk).split(b"\n")
                yield from lines
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from None
    yield pending


def _as_decided(value: Any, size: int) -> str | None:
    """Return a value as the text that was decided upon; None where it cannot be that text.

    StarCoderData's prefix stands before it, and is no part of it.
    """
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        value = "\n\n".join(value)
    data = value.encode("utf-8", "replace") if isinstance(value, str) else value
    if not isinstance(data, bytes) or not size <= len(data) or not size:
        return None
    return data[len(data) - size :].decode("utf-8", "replace")
