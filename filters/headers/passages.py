"""Legal passages: the paragraphs of a file around its legal words, without comment marks."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

NEAR = 14
"""Lines between two legal words of one passage, at most, where no code lies between them: the
longest paragraph of a common license without a legal word is shorter."""

REACH = 40
"""Lines that a paragraph goes on, at most, before its first legal word and after its last."""

LEGAL_SHARE = 0.04
"""Share of a file's lines that hold legal words, from which the file itself is a license: about a
tenth of the lines of one do, one in a hundred of a README's."""

LINE_BYTES = 2000
"""Bytes of a line that are looked at: lines of minified files have megabytes."""

MARK = re.compile(
    rb"[ \t\x0b\x0c\r]*(?:(?:/\*+!?|<!--+|\(\*+|\{-+|\"\"\"|'''|//+!?|--+|;+|%+|\*+[/)]?|!+|\|"
    rb"|#+(?!\s*(?:include|define|ifn?(?:def)?|el(?:se|if)|endif|undef|pragma)\b)"
    rb"|\.\\\"|::|(?:@?rem|REM|dnl|[cC])(?=[ \t\r]|$))[ \t]*)*"
)
"""What opens a line of a comment, in any language."""

END_MARK = re.compile(rb"[ \t\r]*(?:\*+/|--+>|\*+\)|-\}|\"\"\"|'''|[*#|;/%=-]+)?[ \t\r]*$")
"""What closes one: the end of a block, or the right side of a box."""

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

    if _is_license(lines, len(spoken), line):
        whole = tuple(line(number).content for number in range(len(lines)))
        return [Passage(1, len(lines), whole, whole=True)]
    found: list[Passage] = []
    numbers, index = spoken.tolist(), 0
    while index < len(numbers):
        first = last = numbers[index]
        index += 1
        if not line(first).code:
            while index < len(numbers) and _together(line, last, numbers[index]):
                last = numbers[index]
                index += 1
            floor = found[-1].last if found else 0
            ceiling = numbers[index] if index < len(numbers) else len(lines)
            first, last = _paragraph(line, first, last, floor, ceiling)
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
    content = END_MARK.sub(b"", line[start:])
    marked = bool(line[:start].strip())
    return _Line(content, not marked and len(CODE.findall(content)) > CODE_SHARE * len(content))


def _is_license(lines: list[bytes], spoken: int, line: Callable[[int], _Line]) -> bool:
    """Tell whether a file is a license from end to end: legal words all over, and no code."""
    filled = [number for number, content in enumerate(lines) if content.strip()]
    if spoken < LEGAL_SHARE * len(filled):
        return False
    return sum(line(number).code for number in filled) <= LEGAL_SHARE * len(filled)


def _together(line: Callable[[int], _Line], last: int, following: int) -> bool:
    between = range(last + 1, following + 1)
    return len(between) <= NEAR and not any(line(number).code for number in between)


def _paragraph(
    line: Callable[[int], _Line], first: int, last: int, floor: int, ceiling: int
) -> tuple[int, int]:
    """Grow to the ends of the paragraph: an empty line, code, another passage, or REACH lines."""
    for _ in range(REACH):
        if first - 1 < floor or not _is_prose(line(first - 1)):
            break
        first -= 1
    for _ in range(REACH):
        if last + 1 >= ceiling or not _is_prose(line(last + 1)):
            break
        last += 1
    return first, last


def _is_prose(line: _Line) -> bool:
    return bool(line.content) and not line.code
