"""Gopher's rules for web prose, counted in one pass over the bytes: words, and ends of lines.

All rules, with their thresholds: Rae et al. 2021, arXiv 2112.11446, appendix A.1.1.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from filters.quality.batch import Batch, Scores
from filters.utf8 import Bytes, Offsets, text_bytes
from manifests.prng.jit import compiled

Integers = npt.NDArray[np.int64]

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
"""Gopher's stop words (the same appendix)."""

BULLETS = ("-", "*", "\u2022", "\u2023", "\u25cf", "\u25e6", "\u2043")
"""Bullet points (ours: the paper does not list the characters)."""


class WordCounts(NamedTuple):
    """Counts of n texts, int64 [n] each. Words are separated by ASCII whitespace.

    Attributes:
        words: number of words.
        characters: characters of all words.
        alphabetic: words with a letter; every character beyond ASCII counts as a letter.
        stop: distinct STOP_WORDS that occur, in any letter case.
        hashes: "#" characters.
        ellipses: "..." and the character U+2026.
        lines: lines that are not blank.
        bullets: lines that begin with one of BULLETS.
        trailing: lines that end with an ellipsis.
    """

    words: Integers
    characters: Integers
    alphabetic: Integers
    stop: Integers
    hashes: Integers
    ellipses: Integers
    lines: Integers
    bullets: Integers
    trailing: Integers


def word_counts(batch: Batch) -> WordCounts:
    """Count the words of a batch. Scores call `batch.once(word_counts)`."""
    data, offsets = text_bytes(batch.texts)
    counts = np.zeros((len(WordCounts._fields), len(offsets) - 1), np.int64)
    _count(data, offsets, counts)
    return WordCounts(*counts)


def words(batch: Batch) -> Scores:
    """Score: words. Default: 50 to 100,000."""
    return batch.once(word_counts).words.astype(np.float64)


def mean_word_length(batch: Batch) -> Scores:
    """Score: characters of the mean word; 0 without words. Default: 3 to 10."""
    counts = batch.once(word_counts)
    return counts.characters / np.maximum(counts.words, 1)


def symbol_ratio(batch: Batch) -> Scores:
    """Score: hash marks over words, or ellipses over words, the larger. Default: at most 0.1."""
    counts = batch.once(word_counts)
    return np.maximum(counts.hashes, counts.ellipses) / np.maximum(counts.words, 1)


def bullet_line_share(batch: Batch) -> Scores:
    """Score: share of the lines that begin with a bullet point. Default: at most 0.9."""
    counts = batch.once(word_counts)
    return counts.bullets / np.maximum(counts.lines, 1)


def ellipsis_line_share(batch: Batch) -> Scores:
    """Score: share of the lines that end with an ellipsis. Default: at most 0.3."""
    counts = batch.once(word_counts)
    return counts.trailing / np.maximum(counts.lines, 1)


def alphabetic_word_share(batch: Batch) -> Scores:
    """Score: share of the words that have a letter. Default: at least 0.8."""
    counts = batch.once(word_counts)
    return counts.alphabetic / np.maximum(counts.words, 1)


def stop_words(batch: Batch) -> Scores:
    """Score: how many of the, be, to, of, and, that, have, with occur. Default: at least 2."""
    return batch.once(word_counts).stop.astype(np.float64)


def _key(text: str) -> int:
    """Return the little-endian number of a text's bytes."""
    return int.from_bytes(text.encode(), "little")


STOP_KEYS = np.array([_key(word) for word in STOP_WORDS], np.int64)
BULLET_KEYS = np.array([_key(bullet) for bullet in BULLETS], np.int64)

WORDS, CHARACTERS, ALPHABETIC, STOP, HASHES, ELLIPSES, LINES, BULLET_LINES, TRAILING = range(
    len(WordCounts._fields)
)
"""Rows of the kernel's counts, in the order of the fields of WordCounts."""


@compiled()
def _count(data: Bytes, offsets: Offsets, counts: Integers) -> None:
    """Fill `counts`, int64 [fields of WordCounts, texts]."""
    for document in range(counts.shape[1]):
        row = counts[:, document]
        seen = np.zeros(len(STOP_KEYS), np.bool_)
        i = offsets[document]
        stop = offsets[document + 1]
        blank = True
        while i < stop:
            if _is_space(data[i]):
                blank |= data[i] == 10
                i += 1
                continue
            start = i
            i, key = _word(data, i, stop, row)
            if i - start <= 4:
                for number in range(len(STOP_KEYS)):
                    seen[number] |= key == STOP_KEYS[number]
            if blank:
                blank = False
                row[LINES] += 1
                row[BULLET_LINES] += _is_bullet(data, start, i)
            if i - start >= 3 and _is_ellipsis(data, i - 3):
                row[TRAILING] += _ends_line(data, i, stop)
        row[STOP] = seen.sum()


@compiled()
def _is_space(byte: int) -> bool:
    return byte == 32 or 9 <= byte <= 13


@compiled()
def _word(data: Bytes, i: int, stop: int, row: Integers) -> tuple[int, np.int64]:
    """Count the word that starts at i; return its end and the key of its first bytes."""
    start = i
    characters = hashes = ellipses = 0
    letters = False
    after_ellipsis = i
    key = np.int64(0)
    while i < stop and not _is_space(data[i]):
        byte = data[i]
        lower = byte | 32
        letters |= byte >= 128 or 97 <= lower <= 122
        characters += (byte & 0xC0) != 0x80
        hashes += byte == 35
        if i - start < 5:
            key |= np.int64(lower) << 8 * (i - start)
        if byte in (46, 0xE2) and i >= after_ellipsis and i + 2 < stop:
            is_ellipsis = _is_ellipsis(data, i)
            ellipses += is_ellipsis
            after_ellipsis = i + 3 * is_ellipsis
        i += 1
    row[WORDS] += 1
    row[CHARACTERS] += characters
    row[ALPHABETIC] += letters
    row[HASHES] += hashes
    row[ELLIPSES] += ellipses
    return i, key


@compiled()
def _is_ellipsis(data: Bytes, i: int) -> bool:
    first, second, third = data[i], data[i + 1], data[i + 2]
    dots = first == 46 and second == 46 and third == 46
    return bool(dots or (first == 0xE2 and second == 0x80 and third == 0xA6))


@compiled()
def _is_bullet(data: Bytes, start: int, stop: int) -> bool:
    length = 1 if data[start] < 128 else 3
    key = np.int64(0)
    for i in range(start, min(start + length, stop)):
        key |= np.int64(data[i]) << 8 * (i - start)
    return bool((key == BULLET_KEYS).any())


@compiled()
def _ends_line(data: Bytes, i: int, stop: int) -> bool:
    """Return whether only blanks follow until the line ends."""
    while i < stop and data[i] != 10 and _is_space(data[i]):
        i += 1
    return bool(i == stop or data[i] == 10)
