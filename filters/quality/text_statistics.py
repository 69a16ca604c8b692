"""Filters by size, by lines and by shares of characters, counted in one pass over the bytes."""

import re
import sys
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from filters.quality.batch import Batch, Scores
from filters.utf8 import Bytes, Offsets, text_bytes
from manifests.prng.jit import compiled

Integers = npt.NDArray[np.int64]
Fields = npt.NDArray[np.uint64]

CHARACTER, WORD, LETTER, CONTROL = (1 << 16 * place for place in range(4))
"""Increments of a packed sum: four counts of 16 bits each."""

CHUNK = (1 << 16) - 1
"""Maximum number of bytes that one packed sum counts, so that no count overflows."""

LAYOUT = frozenset("\t\n\v\f\r")
"""Control characters of ordinary texts: old sources of C and Lisp have form feeds."""


class CharacterCounts(NamedTuple):
    r"""Counts of n texts, int64 [n] each.

    Attributes:
        characters: number of characters.
        words: characters that `\w` matches: letters and digits of any script, and "_".
        letters: characters for which str.isalpha is true.
        controls: control characters outside LAYOUT, and U+FFFD, which replaces undecodable bytes.
        lines: number of lines, split at "\n" only; an empty text has one line.
        longest: characters of the longest line.
    """

    characters: Integers
    words: Integers
    letters: Integers
    controls: Integers
    lines: Integers
    longest: Integers


def character_counts(batch: Batch) -> CharacterCounts:
    """Count the characters of a batch. Scores call `batch.once(character_counts)`."""
    data, offsets = text_bytes(batch.texts)
    arrays = (np.empty(len(offsets) - 1, np.int64) for _ in CharacterCounts._fields)
    counts = CharacterCounts(*arrays)
    _count(data, offsets, _fields(), counts)
    return counts


def _share(count: Integers, batch: Batch) -> Scores:
    """Return a count over the number of characters, 0 for an empty text."""
    return count / np.maximum(batch.once(character_counts).characters, 1)


def empty(batch: Batch) -> Scores:
    """Score: characters without Unicode whitespace at both ends; 0 for null.

    Default: at least 1. The Stack stores no empty file (its card); the Pile does.
    """
    trimmed = pc.utf8_length(pc.utf8_trim_whitespace(batch.texts)).fill_null(0)
    return np.asarray(trimmed).astype(np.float64)


def alphanumerics(batch: Batch) -> Scores:
    """Score: letters, digits and "_".

    Rejects stubs, lone braces and rulers. Default: at least 5, which keeps a text of one word
    (ours: no published preparation of code has such a limit; SlimPajama requires 200 characters
    of web text, arXiv 2309.10818, section 2.2).
    """
    return batch.once(character_counts).words.astype(np.float64)


def control_share(batch: Batch) -> Scores:
    r"""Score: share of control characters (C0 and C1 outside LAYOUT) and of U+FFFD; 0 if empty.

    Rejects binary files and texts that were decoded wrongly. Default: at most 0.01 (ours: git
    calls a file binary at the first NUL of its first 8000 bytes, xdiff-interface.c, but sources
    hold single NULs and escapes as string constants; UTF-16 read as UTF-8 is half NULs).
    """
    return _share(batch.once(character_counts).controls, batch)


def line_length(batch: Batch) -> Scores:
    r"""Score: characters of the longest line, lines split at "\n" only.

    The Stack's column `max_line_length`. Rejects minified code, data and base64. Default: at most
    1000 (StarCoder, bigcode-dataset preprocessing/arguments.py, `line_max`; Codex has the same).
    """
    return batch.once(character_counts).longest.astype(np.float64)


def mean_line_length(batch: Batch) -> Scores:
    r"""Score: characters, line ends included, over lines, split at "\n" only.

    The Stack's column `avg_line_length`. Rejects files of data. Default: at most 100 (StarCoder,
    bigcode-dataset preprocessing/arguments.py, `line_mean`; Codex has the same).
    """
    counts = batch.once(character_counts)
    return counts.characters / counts.lines


def alphanumeric_share(batch: Batch) -> Scores:
    r"""Score: share of letters, digits and "_" (characters that `\w` matches); 0 if empty.

    The Stack's column `alphanum_fraction`. Rejects tables of symbols, ASCII art and encoded data.
    Default: at least 0.25 (StarCoder, bigcode-dataset preprocessing/arguments.py, `alpha_frac`;
    Codex has the same).
    """
    return _share(batch.once(character_counts).words, batch)


def alphabetic_share(batch: Batch) -> Scores:
    """Score: share of letters of any script; 0 if empty.

    Rejects tables of numbers, which share some extensions with code. Default: at least 0.25 for
    the extensions that tables/extensions.toml lists, and 0.5 for JSON and YAML (StarCoder,
    bigcode-dataset preprocessing/visual_inspection.csv, `Alpha filter`).
    """
    return _share(batch.once(character_counts).letters, batch)


def data_size(batch: Batch) -> Scores:
    """Score: characters.

    Small JSON and YAML files are configuration; large ones are data. Default: 100 to 5000
    (bigcode-dataset preprocessing/arguments.py, `min_size` and `max_size`; DeepSeek-Coder, arXiv
    2401.14196, section 2.1, has 50 to 5000).
    """
    return batch.once(character_counts).characters.astype(np.float64)


@lru_cache(maxsize=1)
def _fields() -> Fields:
    """Return the increment of each code point; 2^21 of them, as four bytes encode 21 bits."""
    fields = np.full(1 << 21, CHARACTER, np.uint64)
    for run in re.finditer(r"\w+", "".join(map(chr, range(sys.maxunicode + 1)))):
        letters = [character.isalpha() for character in run[0]]
        fields[run.start() : run.end()] += np.uint64(WORD) + np.array(letters) * np.uint64(LETTER)
    controls = [code for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in LAYOUT]
    fields[[*controls, 0xFFFD]] += np.uint64(CONTROL)
    return fields


@compiled()
def _count(data: Bytes, offsets: Offsets, fields: Fields, counts: CharacterCounts) -> None:
    """Fill `counts`."""
    for document in range(len(counts.characters)):
        total = word = letter = control = np.int64(0)
        most = line_start = np.int64(0)
        ends = 0
        i = offsets[document]
        stop = offsets[document + 1]
        while i < stop:
            counted = np.uint64(0)
            chunk = min(i + CHUNK, stop)
            while i < chunk:
                byte = data[i]
                i += 1
                if byte >= 0x80:
                    # The lead byte of UTF-8 gives the number of bytes that follow. Each one
                    # holds six bits of the code point.
                    code = np.int64(byte)
                    more = 1 + (code >= 0xE0) + (code >= 0xF0)
                    code &= 0x3F >> more
                    for _ in range(min(more, stop - i)):
                        code = code << 6 | data[i] & 0x3F
                        i += 1
                    counted += fields[code]
                    continue
                if byte == 10:
                    here = total + np.int64(counted & np.uint64(0xFFFF))
                    most = max(most, here - line_start)
                    line_start = here + 1
                    ends += 1
                counted += fields[byte]
            total += np.int64(counted & np.uint64(0xFFFF))
            word += np.int64(counted >> np.uint64(16) & np.uint64(0xFFFF))
            letter += np.int64(counted >> np.uint64(32) & np.uint64(0xFFFF))
            control += np.int64(counted >> np.uint64(48))
        counts.characters[document] = total
        counts.words[document] = word
        counts.letters[document] = letter
        counts.controls[document] = control
        counts.lines[document] = ends + 1
        counts.longest[document] = max(most, total - line_start)
