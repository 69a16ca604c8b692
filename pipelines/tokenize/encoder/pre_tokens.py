r"""Where pre-tokens end, compiled: GPT-2's pattern as a state machine over UTF-8.

    's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+

The alternatives are tried in order (Radford et al. 2019, encoder.py). What is a letter, a number
or a space is asked of `tokenizers` itself, whose Unicode version is not Python's.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
from tokenizers import Regex, normalizers, pre_tokenizers

from manifests.prng.jit import compiled

Bytes = npt.NDArray[np.uint8]

OTHER, LETTER, NUMBER, SPACE, ALONE = range(5)
"""Classes of characters; ALONE is a digit that StarCoder's tokenizer splits off before all else."""

PADDING = 8
"""Bytes that must follow the last text: characters and words are read without a look at the end."""

PATTERNS = {LETTER: r"\p{L}", NUMBER: r"\p{N}", SPACE: r"\s"}

ASSIGNED = (range(0xD800), range(0xE000, 0x40000), range(0xE0000, 0xE1000))
"""Code points that have, or may get, a class of their own; the rest is empty or private."""


@cache
def classes(digits_alone: bool) -> Bytes:
    """Return the class of every code point, uint8 [0x110000]."""
    codes = np.array([code for codes in ASSIGNED for code in codes], np.uint32)
    text = codes.astype("<u4").tobytes().decode("utf-32-le")
    table = np.zeros(0x110000, np.uint8)
    for kind, pattern in PATTERNS.items():
        replaced = normalizers.Replace(Regex(pattern), "\0").normalize_str(text)
        table[codes[np.frombuffer(replaced.encode("utf-32-le"), "<u4") != codes]] = kind
    if digits_alone:
        pieces = pre_tokenizers.Digits(individual_digits=False).pre_tokenize_str(text)
        # Pieces without and with digits take turns, and the first is of control characters.
        for _, (start, stop) in pieces[1::2]:
            table[codes[start:stop]] = ALONE
    return table


@compiled()
def _class_at(data: Bytes, at: np.uint64, classes: Bytes) -> tuple[np.uint8, np.uint64]:
    """Return the class of the character that starts at a byte, and where the next one starts."""
    lead = np.uint32(data[at])
    if lead < 0x80:
        return classes[lead], at + np.uint64(1)
    second = np.uint32(data[at + np.uint64(1)] & 0x3F)
    if lead < 0xE0:
        return classes[(lead & np.uint32(0x1F)) << 6 | second], at + np.uint64(2)
    third = np.uint32(data[at + np.uint64(2)] & 0x3F)
    if lead < 0xF0:
        code = (lead & np.uint32(0x0F)) << 12 | second << 6 | third
        return classes[code], at + np.uint64(3)
    fourth = np.uint32(data[at + np.uint64(3)] & 0x3F)
    code = (lead & np.uint32(0x07)) << 18 | second << 12 | third << 6 | fourth
    return classes[code], at + np.uint64(4)


@compiled()
def _contraction(data: Bytes, at: np.uint64, stop: np.uint64) -> np.uint64:
    """Return where 's, 't, 're, 've, 'm, 'll or 'd ends; where the apostrophe does without one."""
    if at >= stop:
        return at
    first = data[at]
    if first in (0x73, 0x74, 0x6D, 0x64):
        return at + np.uint64(1)
    if at + np.uint64(1) < stop:
        second = data[at + np.uint64(1)]
        if (first in (0x72, 0x76) and second == 0x65) or (first == 0x6C and second == 0x6C):
            return at + np.uint64(2)
    return at


@compiled()
def pre_token_end(data: Bytes, at: np.uint64, stop: np.uint64, classes: Bytes) -> np.uint64:
    """Return where the pre-token at a byte ends.

    Args:
        data: valid UTF-8, and PADDING bytes more.
        at: where the pre-token starts.
        stop: where the stretch between added tokens ends; for the pattern it is the text's end.
        classes: see `classes`.
    """
    first = data[at]
    kind, after = _class_at(data, at, classes)
    if first == 0x27:
        end = _contraction(data, after, stop)
        if end > after:
            return end
    if first == 0x20 and after < stop:
        following, end = _class_at(data, after, classes)
        if following < SPACE:
            kind, after = following, end
    if kind == ALONE:
        return after
    last, following = at, np.uint8(ALONE)
    while after < stop:
        following, end = _class_at(data, after, classes)
        if following != kind:
            break
        last, after = after, end
        following = np.uint8(ALONE)
    # Of several spaces before something the last one is left to it. A digit that stands alone
    # counts as nothing: the pattern never sees it.
    if kind == SPACE and following != ALONE and last > at:
        return last
    return after
