"""JSON-lines inputs, plain or compressed (.zst, .gz): read from the start, one line at a time."""

import gzip
import json
import zlib
from collections.abc import Iterator
from typing import IO, Any, cast

import zstandard

from manifests.errors import InputError
from manifests.io import files

CHUNK = 1 << 20

Line = tuple[int, dict[str, Any] | None, str | None]
"""(number of the line, record, fault): a record or a fault."""


def lines(url: str) -> Iterator[Line]:
    """Yield every line that is not blank.

    Raises:
        InputError: the file is not there, is truncated, or is not compressed as its name says.
    """
    number = 0
    for line in _split(_chunks(url)):
        if line.strip():
            yield (number, *_parsed(line))
            number += 1


def _parsed(line: bytes) -> tuple[dict[str, Any] | None, str | None]:
    try:
        record = json.loads(line.decode())
    except UnicodeDecodeError:
        return None, "invalid_utf8"
    except (ValueError, RecursionError):
        return None, "bad_json"
    return (record, None) if isinstance(record, dict) else (None, "bad_json")


def _split(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Split at line ends; a long line is joined once, whatever the number of its chunks."""
    pending: list[bytes] = []
    for chunk in chunks:
        first, *rest = chunk.split(b"\n")
        pending.append(first)
        if rest:
            yield b"".join(pending)
            yield from rest[:-1]
            pending = [rest[-1]]
    yield b"".join(pending)


def _chunks(url: str) -> Iterator[bytes]:
    try:
        with files.open_input(url) as source:
            if url.endswith((".zst", ".zstd")):
                yield from _unzstd(source, url)
            elif url.endswith(".gz"):
                yield from _plain(cast(IO[bytes], gzip.GzipFile(fileobj=source)))
            else:
                yield from _plain(source)
    except FileNotFoundError:
        raise InputError(f"{url}: there is no such file") from None
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        raise InputError(f"{url}: cannot be decompressed: {error}") from None


def _plain(source: IO[bytes]) -> Iterator[bytes]:
    while chunk := source.read(CHUNK):
        yield chunk


def _unzstd(source: IO[bytes], url: str) -> Iterator[bytes]:
    """Decompress frame after frame; zstandard's own reader takes a cut-off frame for the end."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 31)
    frame = decompressor.decompressobj()
    started = False
    while chunk := source.read(CHUNK):
        while chunk:
            if frame.eof:
                frame = decompressor.decompressobj()
            started = True
            yield frame.decompress(chunk)
            chunk = frame.unused_data if frame.eof else b""
    if started and not frame.eof:
        raise InputError(f"{url}: is truncated: its last zstd frame has no end")
