"""What the arithmetic filters count, in one pass over the bytes: characters, letters, lines."""

import re
import sys
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from filters.quality.batch import Batch
from filters.utf8 import Bytes, Offsets, text_bytes
from manifests.prng.jit import compiled

Integers = npt.NDArray[np.int64]
Fields = npt.NDArray[np.uint64]

CHARACTER, WORD, LETTER, CONTROL = (1 << 16 * place for place in range(4))
"""What a character adds to a sum of four counts of 16 bits each."""

CHUNK = (1 << 16) - 1
"""Bytes after which such a sum is emptied, at most: no count in it can run over."""

LAYOUT = frozenset("\t\n\v\f\r")
"""Control characters that belong into texts: old sources of C and Lisp have form feeds."""


class Counts(NamedTuple):
    r"""Of each text, int64 [n].

    Attributes:
        characters: all of them.
        words: those that `\w` matches, of any script: letters, digits and "_".
        letters: those for which str.isalpha is true.
        controls: control characters but for LAYOUT, and U+FFFD, which stands for lost bytes.
        lines: split at "\n" only; an empty text has one.
        longest: characters of the longest of them.
    """

    characters: Integers
    words: Integers
    letters: Integers
    controls: Integers
    lines: Integers
    longest: Integers


def characters(batch: Batch) -> Counts:
    """Count a batch's characters; filters ask through `batch.once(characters)`."""
    data, offsets = text_bytes(batch.texts)
    counts = Counts(*(np.empty(len(offsets) - 1, np.int64) for _ in Counts._fields))
    _count(data, offsets, _fields(), *counts)
    return counts


@lru_cache(maxsize=1)
def _fields() -> Fields:
    """Return what each code point adds; as long as what four bytes can say, UTF-8 or not."""
    fields = np.full(1 << 21, CHARACTER, np.uint64)
    for run in re.finditer(r"\w+", "".join(map(chr, range(sys.maxunicode + 1)))):
        letters = [character.isalpha() for character in run[0]]
        fields[run.start() : run.end()] += np.uint64(WORD) + np.array(letters) * np.uint64(LETTER)
    controls = [code for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in LAYOUT]
    fields[[*controls, 0xFFFD]] += np.uint64(CONTROL)
    return fields


@compiled()
def _count(
    data: Bytes,
    offsets: Offsets,
    fields: Fields,
    characters: Integers,
    words: Integers,
    letters: Integers,
    controls: Integers,
    lines: Integers,
    longest: Integers,
) -> None:
    for document in range(len(characters)):
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
                    # The lead byte of UTF-8 tells how many bytes follow, six bits of each count.
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
        characters[document] = total
        words[document] = word
        letters[document] = letter
        controls[document] = control
        lines[document] = ends + 1
        longest[document] = max(most, total - line_start)
