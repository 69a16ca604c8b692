"""One text for all passages that say the same: without names, years and the marks of comments.

The version below is part of the name of what was detected before (`cache`), and so of the seed. A
change of these rules is one of the veto's, too (`veto.RULES`).
"""

import re
from collections.abc import Sequence

from filters.scancode.words import GOES_ON, NAMES, WORDS

VERSION = 2


def _escaped(word: str) -> bytes:
    return re.escape(word.encode())


CUT = 100_000
"""Bytes of a normalized text, at most: of a license that is cut ScanCode is less sure. 99 of 100
texts have less than 6,000."""

SPACE = re.compile(rb"\s+")
NOISE = re.compile(rb"[^a-z0-9 .,:;/()'\"&@+\x80-\xff-]+")
"""What no license is told from another by."""

FOREIGN = re.compile(r" *[^\w\x00-\x7f]+ *")
"""Above ASCII only letters tell licenses apart, as ScanCode reads them."""

COPYRIGHT = re.compile(
    rb"(?:portions |parts )?(?:copyright|\(c\)|&copy;|\xc2\xa9)"
    rb"(?:[ :]*(?:copyright|\(c\)|&copy;|\xc2\xa9|by|holders?:))*"
    rb"(?:[ ,:-]*(?:[0-9]{4}|<year>|\[year\]|yyyy)|(?<=\(c\))|(?<=\xc2\xa9))"
    rb"[^\n]{0,200}?(?=(?:all rights reserved)|licen[sc]|gpl|$)"
)
"""A copyright line up to where it speaks of a license; it has years or a sign, unlike license
texts, and is no line that goes on and on."""

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
    """Return the text of a passage, paragraph by paragraph, in lower case.

    Args:
        lines: bare lines (`passages.Passage`), of any encoding.
        whole: they are a license from end to end, of which no word is left out.

    Returns:
        UTF-8, at most CUT bytes; b"" where nothing is left.
    """
    if whole:
        return _cut(b"\n".join(map(_plain, lines)).strip())
    paragraphs: list[list[bytes]] = [[]]
    for line in lines:
        plain = _told(line)
        if plain:
            paragraphs[-1].append(plain)
        elif paragraphs[-1]:
            paragraphs.append([])
    joined = [b" ".join(paragraph) for paragraph in paragraphs if paragraph]
    legal = [i for i, paragraph in enumerate(joined) if LEGAL.search(paragraph)]
    if not legal:
        return b""
    # What stands before the license, and after it, describes the file.
    first, last = legal[0], legal[-1] + 1
    while first > 0 and GOES_ON.search(joined[first - 1]):
        first -= 1
    while last < len(joined) and GOES_ON.search(joined[last]):
        last += 1
    text = b"\n".join(joined[first:last])
    for pattern, words in PARTIES:
        text = pattern.sub(words, text)
    return _cut(text)


def _told(line: bytes) -> bytes:
    """Return what a line says besides who wrote it."""
    plain = _without_copyright(_plain(line))
    if RESERVED.match(plain) or PERSON.match(plain):
        return b""
    return ADDRESS.sub(b"", plain).strip() if b"@" in plain else plain


def _plain(line: bytes) -> bytes:
    return SPACE.sub(b" ", NOISE.sub(b" ", line.lower())).strip()


def _without_copyright(line: bytes) -> bytes:
    if any(mark in line for mark in (b"copyright", b"(c)", b"&copy", b"\xc2\xa9")):
        return COPYRIGHT.sub(b"", line).strip()
    return line


def _cut(text: bytes) -> bytes:
    """Cut a text, and write its letters as ScanCode reads them; other bytes become spaces."""
    if not text.isascii():
        text = FOREIGN.sub(" ", text.decode("utf-8", "replace").lower()).strip().encode()
    return text if len(text) <= CUT else text[:CUT].decode("utf-8", "ignore").encode()
