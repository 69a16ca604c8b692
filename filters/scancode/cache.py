"""The cache of detections: a file of lines that machines append to, and a seed that ships.

A line holds the digest of a text, its matches, and a checksum of both. Lines with a wrong checksum
were cut or interleaved when a machine failed. They are skipped, so their texts are detected again.
The name of the file holds the versions of ScanCode and of `normalize`, on which matches depend.

The cache is no SQLite database: several machines may share a home directory over NFS, where SQLite
has no reliable locks.
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

Matches = tuple[Match, ...]

SEED = Path(__file__).parent / "tables" / "seed.jsonl.gz"


def text_key(text: bytes) -> str:
    """Return the key of a normalized text: 32 hexadecimal characters."""
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def cache_name() -> str:
    """Return the name of the file for the installed versions."""
    return f"scancode-{detector_version()}-normalizer-{normalize.VERSION}.jsonl"


def cache_directory() -> str:
    """Return the default directory, in the user's cache directory."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "stackpile", "headers")


def line_of(key: str, matches: Iterable[Match]) -> bytes:
    """Return the line of a text."""
    content = json.dumps([key, [list(match) for match in matches]], separators=(",", ":"))
    return f"{zlib.crc32(content.encode()):08x} {content}\n".encode()


def parse_lines(lines: Iterable[bytes]) -> Iterator[tuple[str, Matches]]:
    """Yield key and matches of every line whose checksum is right."""
    for line in lines:
        checksum, _, content = line.rstrip(b"\n").partition(b" ")
        if checksum == b"%08x" % zlib.crc32(content):
            key, matches = json.loads(content)
            yield key, tuple(Match(*match) for match in matches)


def load_seed() -> dict[str, Matches]:
    """Return the matches of common texts that ship with Stackpile; none for other versions."""
    with gzip.open(SEED) as source:
        first = source.readline().decode().strip()
        return dict(parse_lines(source)) if first == cache_name() else {}


class Cache:
    """The cache of one directory: all lines in memory, and the file, open for appending."""

    def __init__(self, directory: str, seed: bool = True) -> None:
        """Read the file and the seed; create the directory if it is missing."""
        os.makedirs(directory, exist_ok=True)
        self._path = os.path.join(directory, cache_name())
        self._known = load_seed() if seed else {}
        self._file = open(self._path, "a+b", buffering=0)  # noqa: SIM115 - closed by close()
        self._file.seek(0)
        data = self._file.read()
        self._known.update(parse_lines(data.splitlines()))
        if data and not data.endswith(b"\n"):
            self._file.write(b"\n")

    def get(self, key: str) -> Matches | None:
        """Return the matches of a text, or None if the text was never detected."""
        return self._known.get(key)

    def put(self, key: str, matches: Matches) -> None:
        """Add a text. One write appends one line, so lines of several processes do not mix."""
        self._known[key] = matches
        self._file.write(line_of(key, matches))

    def close(self) -> None:
        """Close the file."""
        self._file.close()
