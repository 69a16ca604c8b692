"""Legal passages: the paragraphs of a file around its legal words, without comment marks."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from filters.scancode.words import GOES_ON

NEAR = 14
"""Lines from one with a legal word to the next in a passage, at most, where none is code: the
longest paragraph of a common license without a legal word is shorter."""

REACH = 40
"""Lines that a paragraph goes on, at most, before its first legal word and after its last."""

CLOSE = 8
"""Lines from one of code with a legal word to the next, at most, to read them together, REACH lines
at a time: a license that a program prints, a list of licenses."""

LEGAL_SHARE = 0.04
"""Share of a file's lines that hold legal words, from which the file itself is a license: about a
tenth of the lines of one do, one in a hundred of a README's."""

LICENSE_BYTES = 100_000
"""Bytes of such a file, at most: the longest license that ScanCode knows has 60,000."""

PROSE_SHARE = 0.9
"""Share of the lines of such a file that are no code, at least; half of them are no comments."""

LINE_BYTES = 2000
"""Bytes of a line that are looked at: lines of minified files have megabytes."""

MARK = re.compile(
    rb"[ \t\x0b\x0c\r]*(?:(?:/\*+!?|<!--+|\(\*+|\{-+|\"\"\"|'''|//+!?|--+|;+|%+|\*+[/)]?|!+|\|"
    rb"|#+(?!\s*(?:include|define|ifn?(?:def)?|el(?:se|if)|endif|undef|pragma)\b)"
    rb"|\.\\\"|::|(?:@?rem|REM|dnl|[cC])(?=[ \t\r]|$))[ \t]*)*"
)
"""What opens a line of a comment, in any language."""

BLANK, BOX = b" \t\r", b"*#|;/%=-"
"""What may stand at the end of a line, and what the right side of a box is made of."""

CODE = re.compile(rb"[{}\[\]=;$|]|\w\(|\(\)")
"""Code's punctuation: prose has parentheses, but not right after a word."""

CODE_SHARE = 0.04
"""Such punctuation for each byte of a line, above which it is no prose."""


class Passage(NamedTuple):
    """Lines of a file that speak of a license.

    Attributes:
        first: the number of its first line in the file, from 1.
        last: the number of its last line.
        lines: their text without comment marks, empty ones included.
        whole: they are the whole file, which is a license from end to end.
    """

    first: int
    last: int
    lines: tuple[bytes, ...]
    whole: bool = False


class _Line(NamedTuple):
    content: bytes
    code: bool
    marked: bool


def passages(text: bytes, hits: Sequence[int]) -> list[Passage]:
    """Return the passages around legal words, in order, without overlaps.

    Args:
        text: a whole file.
        hits: the byte after each legal word, ascending (`words.find_words`).
    """
    lines = text.split(b"\n")
    ends = np.cumsum([len(line) + 1 for line in lines])
    at = np.asarray(hits)
    spoken, firsts = np.unique(np.searchsorted(ends, at), return_index=True)
    column = at[firsts] - np.where(spoken > 0, ends[spoken - 1], 0)
    known: dict[int, _Line] = dict(
        (int(number), _read(lines[number], int(where)))
        for number, where in zip(spoken, column, strict=True)
    )

    def line(number: int) -> _Line:
        if number not in known:
            known[number] = _read(lines[number])
        return known[number]

    if len(text) <= LICENSE_BYTES and _is_license(lines, len(spoken), line):
        return [Passage(1, len(lines), tuple(lines), whole=True)]
    found: list[Passage] = []
    numbers, index = spoken.tolist(), 0
    while index < len(numbers):
        first = last = numbers[index]
        index += 1
        while index < len(numbers) and _together(line, first, last, numbers[index]):
            last = numbers[index]
            index += 1
        floor = found[-1].last if found else 0
        ceiling = numbers[index] if index < len(numbers) else len(lines)
        first = first if line(first).code else _start(line, first, floor)
        last = last if line(last).code else _stop(line, last, ceiling)
        if found and _near(line, found[-1].last, first):
            first = found.pop().first - 1
        inside = tuple(line(number).content for number in range(first, last + 1))
        found.append(Passage(first + 1, last + 1, inside))
    return found


def _read(line: bytes, column: int = 0) -> _Line:
    """Take the comment marks off a line, and look at no more than LINE_BYTES, around `column`."""
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
    """Take off what closes a comment, the end of a block or the right side of a box, and blanks.

    A pattern for it would be tried at every character of a line.
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


def _is_license(lines: list[bytes], spoken: int, line: Callable[[int], _Line]) -> bool:
    """Tell whether a file is a license from end to end: legal words all over, in prose."""
    filled = [number for number, content in enumerate(lines) if content.strip()]
    if spoken < LEGAL_SHARE * len(filled):
        return False
    code = sum(line(number).code for number in filled)
    marked = sum(line(number).marked for number in filled)
    return code <= (1 - PROSE_SHARE) * len(filled) and marked <= len(filled) / 2


def _near(line: Callable[[int], _Line], after: int, first: int) -> bool:
    """Tell whether few lines lie between two passages, and none there or at their ends is code."""
    return first - after <= CLOSE and not any(line(n).code for n in range(after - 1, first + 1))


def _together(line: Callable[[int], _Line], first: int, last: int, following: int) -> bool:
    """Tell whether the next line with a legal word belongs to a passage."""
    # First, as CLOSE is less than NEAR: lines between hits that are far apart need not be read.
    if following - last > NEAR:
        return False
    if any(line(number).code for number in range(last, following + 1)):
        return following - last <= CLOSE and following - first <= REACH
    return True


def _start(line: Callable[[int], _Line], first: int, floor: int) -> int:
    """Return where a license starts: with a paragraph that none comes before with more of it."""
    first = _edge(line, first, floor - 1)
    while first - 2 >= floor and _goes_on(line, first - 1, first - 2, floor - 1):
        first = _edge(line, first - 2, floor - 1)
    return first


def _stop(line: Callable[[int], _Line], last: int, ceiling: int) -> int:
    """Return where a license stops: with a paragraph that none follows with more of it."""
    last = _edge(line, last, ceiling)
    while last + 2 < ceiling and _goes_on(line, last + 1, last + 2, ceiling):
        last = _edge(line, last + 2, ceiling)
    return last


def _goes_on(line: Callable[[int], _Line], gap: int, near: int, bound: int) -> bool:
    """Tell whether beyond one empty line a paragraph says what licenses say."""
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
    return bool(line.content) and not line.code
