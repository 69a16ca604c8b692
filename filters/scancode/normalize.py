"""Normalization: passages that differ in names, years and comment marks become one text.

VERSION is part of the name of the cache and of the seed. A change of these rules also needs
another `veto.RULES`.
"""

import re
from collections.abc import Sequence

from filters.scancode.words import GOES_ON, NAMES, WORDS

VERSION = 2


CUT = 100_000
"""Maximum number of bytes of a normalized text (ours: 99 % of the texts have less than 6,000 bytes,
and ScanCode's score of a license that is cut is lower)."""

SPACE = re.compile(rb"\s+")
NOISE = re.compile(rb"[^a-z0-9 .,:;/()'\"&@+\x80-\xff-]+")
"""Characters that do not distinguish licenses."""

FOREIGN = re.compile(r" *[^\w\x00-\x7f]+ *")
"""Characters beyond ASCII that are not letters. ScanCode ignores them."""

COPYRIGHT = re.compile(
    rb"(?:portions |parts )?(?:copyright|\(c\)|&copy;|\xc2\xa9)"
    rb"(?:[ :]*(?:copyright|\(c\)|&copy;|\xc2\xa9|by|holders?:))*"
    rb"(?:[ ,:-]*(?:[0-9]{4}|<year>|\[year\]|yyyy)|(?<=\(c\))|(?<=\xc2\xa9))"
    rb"[^\n]{0,200}?(?=(?:all rights reserved)|licen[sc]|gpl|$)"
)
"""A copyright line up to its first word about a license. The line has a year or a copyright sign,
unlike license texts, and at most 200 characters after."""

RESERVED = re.compile(rb"^\W*(?:all rights reserved\W*)+$")

PERSON = re.compile(rb"^(?:@(?:author|version|file)\b|authors?:|written by\b|maintainers?:)")

_NAME = "|".join(map(re.escape, NAMES))
LEGAL = re.compile("|".join([*map(re.escape, WORDS), f"(?<![a-z])(?:{_NAME})(?![a-z])"]).encode())
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
"""Names of parties in licenses like BSD, and the words of the license's template."""


def normalize(lines: Sequence[bytes], whole: bool = False) -> bytes:
    """Return the text of a passage, paragraph by paragraph, in lower case.

    Args:
        lines: lines without comment marks (`passages.Passage`), of any encoding.
        whole: whether the lines are a whole license, of which no word is dropped.

    Returns:
        UTF-8, at most CUT bytes; b"" if nothing remains.
    """
    if whole:
        return _cut(b"\n".join(map(_plain, lines)).strip())
    paragraphs: list[list[bytes]] = [[]]
    for line in lines:
        plain = _without_author(line)
        if plain:
            paragraphs[-1].append(plain)
        elif paragraphs[-1]:
            paragraphs.append([])
    joined = [b" ".join(paragraph) for paragraph in paragraphs if paragraph]
    legal = [i for i, paragraph in enumerate(joined) if LEGAL.search(paragraph)]
    if not legal:
        return b""
    # Paragraphs before and after the license describe the file.
    first, last = legal[0], legal[-1] + 1
    while first > 0 and GOES_ON.search(joined[first - 1]):
        first -= 1
    while last < len(joined) and GOES_ON.search(joined[last]):
        last += 1
    text = b"\n".join(joined[first:last])
    for pattern, words in PARTIES:
        text = pattern.sub(words, text)
    return _cut(text)


def _without_author(line: bytes) -> bytes:
    """Return a line without copyright, authors and addresses, in lower case."""
    plain = _without_copyright(_plain(line))
    if RESERVED.match(plain) or PERSON.match(plain):
        return b""
    return ADDRESS.sub(b"", plain).strip() if b"@" in plain else plain


def _plain(line: bytes) -> bytes:
    """Return a line in lower case, with one space for each run of noise or whitespace."""
    return SPACE.sub(b" ", NOISE.sub(b" ", line.lower())).strip()


def _without_copyright(line: bytes) -> bytes:
    """Return a line without a copyright statement."""
    if any(mark in line for mark in (b"copyright", b"(c)", b"&copy", b"\xc2\xa9")):
        return COPYRIGHT.sub(b"", line).strip()
    return line


def _cut(text: bytes) -> bytes:
    """Cut a text to CUT bytes, and replace characters that ScanCode ignores by spaces."""
    if not text.isascii():
        text = FOREIGN.sub(" ", text.decode("utf-8", "replace").lower()).strip().encode()
    return text if len(text) <= CUT else text[:CUT].decode("utf-8", "ignore").encode()
