"""What ScanCode said of texts before: a file of lines that processes append to, and a seed.

A line is a digest of the text, what was found, and a checksum of both. Lines that were cut or
interleaved when a machine went down do not check, and count as never written: their texts are
detected again. The file's name carries both versions that decide what is found.
"""

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from filters.scancode import normalize
from filters.scancode.detector import Match, detector_version

Found = tuple[Match, ...]

SEED = Path(__file__).parent / "tables" / "seed.jsonl.gz"


def text_key(text: bytes) -> str:
    """Return the key of a normalized text: 32 hexadecimal characters."""
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def cache_name() -> str:
    """Return the name of the cache's file for the versions that are installed."""
    return f"scancode-{detector_version()}-normalizer-{normalize.VERSION}.jsonl"


def cache_directory() -> str:
    """Return where this machine keeps what it detected: in the user's cache directory."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "stackpile", "headers")


def line_of(key: str, found: Iterable[Match]) -> bytes:
    """Return the line of a text."""
    content = json.dumps([key, [list(match) for match in found]], separators=(",", ":"))
    return f"{zlib.crc32(content.encode()):08x} {content}\n".encode()


def parse_lines(lines: Iterable[bytes]) -> Iterator[tuple[str, Found]]:
    """Yield key and finding of every line that is whole."""
    for line in lines:
        checksum, _, content = line.rstrip(b"\n").partition(b" ")
        if checksum == b"%08x" % zlib.crc32(content):
            key, found = json.loads(content)
            yield key, tuple(Match(*match) for match in found)


def load_seed() -> dict[str, Found]:
    """Return what ships with Stackpile: the commonest texts, for the versions of cache_name()."""
    with gzip.open(SEED) as source:
        first = source.readline().decode().strip()
        return dict(parse_lines(source)) if first == cache_name() else {}


class Cache:
    """The cache of one directory, in memory, and its file, open for appending."""

    def __init__(self, directory: str, seed: bool = True) -> None:
        """Read what is there, and the seed; make the directory where it is not."""
        os.makedirs(directory, exist_ok=True)
        self._path = os.path.join(directory, cache_name())
        self._known = load_seed() if seed else {}
        self._file = open(self._path, "a+b", buffering=0)  # noqa: SIM115 - closed by close()
        self._file.seek(0)
        data = self._file.read()
        self._known.update(parse_lines(data.splitlines()))
        if data and not data.endswith(b"\n"):
            self._file.write(b"\n")

    def get(self, key: str) -> Found | None:
        """Return what was found in a text; None where nobody looked yet."""
        return self._known.get(key)

    def put(self, key: str, found: Found) -> None:
        """Remember a text. One write a line: appends of several processes do not mix."""
        self._known[key] = found
        self._file.write(line_of(key, found))

    def close(self) -> None:
        """Close the file."""
        self._file.close()
