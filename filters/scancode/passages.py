"""Legal passages: the paragraphs of a file around legal words, without comment marks."""

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from filters.scancode.words import GOES_ON

NEAR = 14
"""Maximum distance, in lines, of two lines with legal words in a passage without code (ours: the
longest paragraph of a common license without a legal word is shorter)."""

REACH = 40
"""Maximum number of lines of a paragraph before its first legal word and after its last."""

CLOSE = 8
"""Maximum distance, in lines, of two lines of code with legal words in a passage, which then has at
most REACH lines: a license that a program prints, a list of licenses."""

LEGAL_SHARE = 0.04
"""Minimum share of lines with legal words in a file that is itself a license (ours: about 10 % of a
license's lines hold legal words, about 1 % of a README's)."""

LICENSE_BYTES = 100_000
"""Maximum size of a file that is a license (ours: ScanCode's longest license has 60,000 bytes)."""

PROSE_SHARE = 0.9
"""Minimum share of lines without code in a file that is a license. At most half of the lines may be
comments."""

LINE_BYTES = 2000
"""Maximum number of bytes of a line that are read: minified files have lines of megabytes."""

MARK = re.compile(
    rb"[ \t\x0b\x0c\r]*(?:(?:/\*+!?|<!--+|\(\*+|\{-+|\"\"\"|'''|//+!?|--+|;+|%+|\*+[/)]?|!+|\|"
    rb"|#+(?!\s*(?:include|define|ifn?(?:def)?|el(?:se|if)|endif|undef|pragma)\b)"
    rb"|\.\\\"|::|(?:@?rem|REM|dnl|[cC])(?=[ \t\r]|$))[ \t]*)*"
)
"""Marks that open a line of a comment, in any language."""

BLANK, BOX = b" \t\r", b"*#|;/%=-"
"""Characters that are stripped from the end of a line: blanks, and the right side of a box."""

CODE = re.compile(rb"[{}\[\]=;$|]|\w\(|\(\)")
"""Punctuation of code. Prose has parentheses too, but not right after a word."""

CODE_SHARE = 0.04
"""Maximum share of the punctuation of code in a line of prose."""


class Passage(NamedTuple):
    """Lines of a file around legal words.

    Attributes:
        first: number of the first line in the file, from 1.
        last: number of the last line.
        lines: text of the lines without comment marks, empty lines included.
        whole: whether the passage is a whole file that is a license.
    """

    first: int
    last: int
    lines: tuple[bytes, ...]
    whole: bool = False


class _Line(NamedTuple):
    """A line without comment marks; whether it is code; whether it had comment marks."""

    content: bytes
    code: bool
    marked: bool


def passages(text: bytes, hits: Sequence[int]) -> list[Passage]:
    """Return the passages around legal words, in order, without overlaps.

    Args:
        text: the text of a file.
        hits: position of the byte after each legal word, ascending (`words.find_words`).
    """
    lines = text.split(b"\n")
    ends = np.cumsum([len(line) + 1 for line in lines])
    at = np.asarray(hits)
    legal, firsts = np.unique(np.searchsorted(ends, at), return_index=True)
    columns = at[firsts] - np.where(legal > 0, ends[legal - 1], 0)
    column_of = dict(zip(legal.tolist(), columns.tolist(), strict=True))

    @cache
    def line(number: int) -> _Line:
        return _read(lines[number], column_of.get(number, 0))

    if len(text) <= LICENSE_BYTES and _is_license(lines, len(legal), line):
        return [Passage(1, len(lines), tuple(lines), whole=True)]
    result: list[Passage] = []
    numbers, index = legal.tolist(), 0
    while index < len(numbers):
        first = last = numbers[index]
        index += 1
        while index < len(numbers) and _together(line, first, last, numbers[index]):
            last = numbers[index]
            index += 1
        floor = result[-1].last if result else 0
        ceiling = numbers[index] if index < len(numbers) else len(lines)
        first = first if line(first).code else _end(line, first, floor - 1)
        last = last if line(last).code else _end(line, last, ceiling)
        if result and _near(line, result[-1].last, first):
            first = result.pop().first - 1
        contents = tuple(line(number).content for number in range(first, last + 1))
        result.append(Passage(first + 1, last + 1, contents))
    return result


def _read(line: bytes, column: int = 0) -> _Line:
    """Return a line without comment marks; of a long line only LINE_BYTES around `column`."""
    if len(line) > LINE_BYTES:
        start = max(0, column - LINE_BYTES // 2)
        line = line[start : start + LINE_BYTES]
    opened = MARK.match(line)
    start = opened.end() if opened else 0
    content = _closed(line[start:])
    marked = bool(line[:start].strip())
    code = not marked and len(CODE.findall(content)) > CODE_SHARE * len(content)
    return _Line(content, code, marked)


def _closed(line: bytes) -> bytes:
    """Strip the end of a comment or a block, the right side of a box, and blanks.

    A regular expression would be tried at every character of a line.
    """
    line = line.rstrip(BLANK)
    if line.endswith(b">"):
        rest = line[:-1].rstrip(b"-")
        line = rest if len(rest) < len(line) - 2 else line
    elif line.endswith(b")"):
        rest = line[:-1].rstrip(b"*")
        line = rest if len(rest) < len(line) - 1 else line
    elif line.endswith(b"-}"):
        line = line[:-2]
    elif line.endswith((b'"""', b"'''")):
        line = line[:-3]
    else:
        line = line.rstrip(BOX)
    return line.rstrip(BLANK)


def _is_license(lines: list[bytes], legal: int, line: Callable[[int], _Line]) -> bool:
    """Return whether a file is a license: prose with `legal` lines that hold legal words."""
    filled = [number for number, content in enumerate(lines) if content.strip()]
    if legal < LEGAL_SHARE * len(filled):
        return False
    code = sum(line(number).code for number in filled)
    marked = sum(line(number).marked for number in filled)
    return code <= (1 - PROSE_SHARE) * len(filled) and marked <= len(filled) / 2


def _near(line: Callable[[int], _Line], after: int, first: int) -> bool:
    """Return whether few lines are between two passages, none of them code, nor the ends."""
    return first - after <= CLOSE and not any(line(n).code for n in range(after - 1, first + 1))


def _together(line: Callable[[int], _Line], first: int, last: int, following: int) -> bool:
    """Return whether the next line with a legal word belongs to a passage."""
    # This test is first so that lines between distant hits are not read; CLOSE is less than NEAR.
    if following - last > NEAR:
        return False
    if any(line(number).code for number in range(last, following + 1)):
        return following - last <= CLOSE and following - first <= REACH
    return True


def _end(line: Callable[[int], _Line], number: int, bound: int) -> int:
    """Return the end of a license towards `bound`: of its last paragraph that GOES_ON matches."""
    step = 1 if bound > number else -1
    number = _edge(line, number, bound)
    while abs(bound - number) > 2 and _goes_on(line, number + step, number + 2 * step, bound):
        number = _edge(line, number + 2 * step, bound)
    return number


def _goes_on(line: Callable[[int], _Line], gap: int, near: int, bound: int) -> bool:
    """Return whether GOES_ON matches the paragraph beyond one empty line."""
    if line(gap).code or not _is_prose(line(near)):
        return False
    far = _edge(line, near, bound)
    return any(GOES_ON.search(line(n).content) for n in range(min(near, far), max(near, far) + 1))


def _edge(line: Callable[[int], _Line], number: int, bound: int) -> int:
    """Return the end of a paragraph: before an empty line, code, `bound`, or after REACH lines."""
    step = 1 if bound > number else -1
    for _ in range(REACH):
        if number + step == bound or not _is_prose(line(number + step)):
            break
        number += step
    return number


def _is_prose(line: _Line) -> bool:
    """Return whether a line is neither empty nor code."""
    return bool(line.content) and not line.code
