"""Tables of symbols, ASCII art and encoded data have few letters and digits."""

import sys
from functools import lru_cache

import numba
import numpy as np
import numpy.typing as npt

from filters.batch import Batch
from filters.text import Bytes, Offsets, text_bytes

Flags = npt.NDArray[np.bool_]


def alphanumeric(batch: Batch) -> npt.NDArray[np.float64]:
    r"""Score: share of the characters that are letters, digits or "_"; 0 for an empty text.

    The Stack's column `alphanum_fraction`: characters that match `\w`, of any script, as Python
    knows them. Default: at least 0.25 (StarCoder, bigcode-dataset preprocessing/arguments.py,
    `alpha_frac`; Codex has the same).
    """
    data, offsets = text_bytes(batch.texts)
    scores = np.empty(len(offsets) - 1, np.float64)
    _share(data, offsets, _word_characters(), scores)
    return scores


@lru_cache(maxsize=1)
def _word_characters() -> Flags:
    # As long as what four bytes can say: a text that is no UTF-8 must not read past the end.
    flags = np.zeros(1 << 21, bool)
    characters = map(chr, range(sys.maxunicode + 1))
    flags[: sys.maxunicode + 1] = np.fromiter(map(str.isalnum, characters), bool)
    flags[ord("_")] = True
    return flags


@numba.njit(cache=True, nogil=True)
def _share(data: Bytes, offsets: Offsets, is_word: Flags, scores: npt.NDArray[np.float64]) -> None:
    for document in range(len(scores)):
        words = 0
        characters = 0
        i = offsets[document]
        stop = offsets[document + 1]
        while i < stop:
            character = np.int64(data[i])
            i += 1
            if character >= 0x80:
                # The lead byte of UTF-8 tells how many bytes follow, six bits of each count.
                more = 1 + (character >= 0xE0) + (character >= 0xF0)
                character &= 0x3F >> more
                for _ in range(min(more, stop - i)):
                    character = character << 6 | data[i] & 0x3F
                    i += 1
            words += is_word[character]
            characters += 1
        scores[document] = words / max(characters, 1)
