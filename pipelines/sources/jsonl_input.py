"""JSON-lines inputs, plain or compressed (.zst, .gz), read from the start line by line."""

import gzip
import json
import zlib
from abc import abstractmethod
from collections.abc import Iterator, Set
from typing import IO, Any, ClassVar, cast

import pyarrow as pa

from manifests.errors import InputError
from manifests.io import files
from pipelines.sources.layout import MAX_PART_BYTES, PartRows, Range, SourceLayout
from pipelines.sources.rows import DEFAULTS, ROWS, clean_text, unicode

CHUNK_BYTES = 1 << 20

MAX_SEARCH_BYTES = 256 << 20
"""Default maximum of bytes that are read to get to a line. Ours: a second or two of reading."""


class JsonLinesLayout(SourceLayout):
    """Layout of JSON-lines files: an input is one range, which is cut into parts as it is read."""

    text_key: ClassVar[str] = "text"
    """Key of the text; the first line of an input must have it."""

    @abstractmethod
    def row(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return `text` and other fields of ROWS (but `input_row` and `fault`) of a JSON record.

        Fields that are left out have the values of rows.DEFAULTS. The method must not raise,
        whatever the record holds; `text` may be any value. A line that is not a JSON object is an
        empty record.
        """

    def required_key(self) -> str:
        """Return the key that the first line of an input must have."""
        return self.text_key

    def cut(self, url: str, max_bytes: int = MAX_PART_BYTES) -> list[Range]:
        """Return one range, the whole input, after a look at its first line."""
        key = self.required_key()
        record, _ = parse(next(lines(url), b""))
        if record is not None and key not in record:
            raise InputError(f"{url}: the key {key!r} is missing; it has {', '.join(record)}")
        return [(0, None)]

    def read(
        self, url: str, path: str, unit: Range, max_bytes: int = MAX_PART_BYTES
    ) -> Iterator[PartRows]:
        """Yield the parts of an input; whether a part is the last is known at the next line."""
        rows: list[dict[str, Any]] = []
        number = size = 0
        for line_number, line in enumerate(lines(url)):
            if size >= max_bytes:
                yield PartRows(number, pa.Table.from_pylist(rows, schema=ROWS), last=False)
                rows, size, number = [], 0, number + 1
            row = self.parse_row(line)
            size += len(row["text"].encode()) if row["text"] is not None else 0
            rows.append({"input_row": line_number, **row})
        yield PartRows(number, pa.Table.from_pylist(rows, schema=ROWS), last=True)

    def texts(
        self, url: str, path: str, rows: Set[int], max_bytes: int = MAX_SEARCH_BYTES
    ) -> dict[int, str | None]:
        """Return row -> text of the rows that lie in the first `max_bytes` of the lines."""
        texts: dict[int, str | None] = {}
        size = 0
        for number, line in enumerate(lines(url)):
            size += len(line)
            if size > max_bytes or len(texts) == len(rows):
                break
            if number in rows:
                texts[number] = self.parse_row(line)["text"]
        return texts

    def parse_row(self, line: bytes) -> dict[str, Any]:
        """Return the fields of ROWS of a line, except `input_row`."""
        record, fault = parse(line)
        row = {**DEFAULTS, **self.row(record or {})}
        text, text_fault = clean_text(row["text"])
        path = unicode(row["path"]) if isinstance(row["path"], str) else ""
        return {**row, "path": path, "text": text, "fault": fault or text_fault}


def lines(url: str) -> Iterator[bytes]:
    """Yield every line of an input that is not blank.

    Raises:
        InputError: the file does not exist, is truncated, or is not compressed as its name says.
    """
    pending: list[bytes] = []  # a long line is joined once, whatever the number of its chunks
    for chunk in _chunks(url):
        first, *rest = chunk.split(b"\n")
        pending.append(first)
        if rest:
            yield from filter(bytes.strip, (b"".join(pending), *rest[:-1]))
            pending = [rest[-1]]
    yield from filter(bytes.strip, [b"".join(pending)])


def parse(line: bytes) -> tuple[dict[str, Any] | None, str | None]:
    """Return (record, None) of a line, or (None, fault) if it is not a JSON object."""
    try:
        record = json.loads(line.decode())
    except UnicodeDecodeError:
        return None, "invalid_utf8"
    except (ValueError, RecursionError):
        return None, "bad_json"
    return (record, None) if isinstance(record, dict) else (None, "bad_json")


def _chunks(url: str) -> Iterator[bytes]:
    """Yield the decompressed content of an input."""
    try:
        with files.open_input(url) as source:
            if url.endswith((".zst", ".zstd")):
                yield from _decompress_zstd(source, url)
            else:
                plain = gzip.GzipFile(fileobj=source) if url.endswith(".gz") else source
                while chunk := cast(IO[bytes], plain).read(CHUNK_BYTES):
                    yield chunk
    except FileNotFoundError:
        raise InputError(f"{url}: there is no such file") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{url}: cannot be decompressed: {error}") from None


def _decompress_zstd(source: IO[bytes], url: str) -> Iterator[bytes]:
    """Decompress frame after frame; zstandard's own reader takes a truncated frame for the end."""
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 31)
    frame = decompressor.decompressobj()
    started = False
    try:
        while chunk := source.read(CHUNK_BYTES):
            while chunk:
                if frame.eof:
                    frame = decompressor.decompressobj()
                started = True
                yield frame.decompress(chunk)
                chunk = frame.unused_data if frame.eof else b""
    except zstandard.ZstdError as error:
        raise InputError(f"{url}: cannot be decompressed: {error}") from None
    if started and not frame.eof:
        raise InputError(f"{url}: is truncated: its last zstd frame has no end")
