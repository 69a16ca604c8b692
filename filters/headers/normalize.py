"""One text for all passages that say the same: without names, years and the marks of comments.

The version below is part of what caches are keyed by, so that a change of these rules changes no
verdict halfway through a run.
"""

import re
from collections.abc import Sequence

from filters.headers.words import NAMES, WORDS

VERSION = 1


def _escaped(word: str) -> bytes:
    return re.escape(word.encode())


CUT = 40_000
"""Bytes of a normalized text, at most: the GPL-3.0 has 35,000, and of a license that is cut
ScanCode is less sure. 99 of 100 texts have less than 2,000."""

SPACE = re.compile(rb"\s+")
NOISE = re.compile(rb"[^a-z0-9 .,:;/()'\"&@+-]+")
"""What no license is told from another by; bytes above ASCII are names."""

COPYRIGHT = re.compile(
    rb"(?:portions |parts )?(?:copyright|\(c\)|&copy;)"
    rb"(?: *(?:copyright|\(c\)|&copy;|by|holders?:))*"
    rb"[ ,:-]*(?:[0-9]{4}|<year>|\[year\]|yyyy)[^\n]*?(?=(?:all rights reserved)|licen[sc]|$)"
)
"""A copyright line up to where it speaks of a license; it names years, unlike license texts."""

RESERVED = re.compile(rb"^\W*(?:all rights reserved\W*)+$")

PERSON = re.compile(rb"^(?:@(?:author|version|file)\b|authors?:|written by\b|maintainers?:)")

LEGAL = re.compile(
    b"|".join(
        [
            *map(_escaped, WORDS),
            rb"(?<![a-z])(?:" + b"|".join(map(_escaped, NAMES)) + rb")(?![a-z])",
        ]
    )
)
"""A legal word in a normalized text."""

ADDRESS = re.compile(rb"<?[a-z0-9._+-]+@[a-z0-9.-]+>?")

PARTIES = (
    (
        re.compile(rb"neither the names? of .{1,120}? nor the names of"),
        b"neither the name of the copyright holder nor the names of",
    ),
    (
        re.compile(rb"in no event shall .{1,200}? be liable"),
        b"in no event shall the copyright holders or contributors be liable",
    ),
    (
        re.compile(rb"provided by .{1,120}? [\"'`]*as is[\"'`]*"),
        b'provided by the copyright holders and contributors "as is"',
    ),
)
"""Who speaks, in the texts of BSD and its kin, as their models have it."""


def normalize(lines: Sequence[bytes], whole: bool = False) -> bytes:
    """Return the text of a passage, paragraph by paragraph, in lower case and plain ASCII.

    Args:
        lines: bare lines (`passages.Passage`), of any encoding.
        whole: they are a license, to whose end paragraphs without legal words belong.

    Returns:
        At most CUT bytes; b"" where nothing is left.
    """
    paragraphs: list[list[bytes]] = [[]]
    for line in lines:
        plain = _plain_line(line)
        if plain:
            paragraphs[-1].append(plain)
        elif paragraphs[-1]:
            paragraphs.append([])
    joined = [b" ".join(paragraph) for paragraph in paragraphs if paragraph]
    legal = [i for i, paragraph in enumerate(joined) if LEGAL.search(paragraph)]
    # What stands before the first legal word, and after the last, describes the file.
    text = b"\n".join(joined[legal[0] : None if whole else legal[-1] + 1]) if legal else b""
    for pattern, words in PARTIES:
        text = pattern.sub(words, text)
    return text if len(text) <= CUT else text[:CUT].rpartition(b" ")[0]


def _plain_line(line: bytes) -> bytes:
    plain = SPACE.sub(b" ", NOISE.sub(b" ", line.lower())).strip()
    if b"copyright" in plain or b"(c)" in plain or b"&copy" in plain:
        plain = COPYRIGHT.sub(b"", plain).strip()
    if not plain or RESERVED.match(plain) or PERSON.match(plain):
        return b""
    return ADDRESS.sub(b"", plain).strip() if b"@" in plain else plain
