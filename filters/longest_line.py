"""Minified code, data and base64 have very long lines."""

import numba
import numpy as np
import numpy.typing as npt

from filters.batch import Batch
from filters.text import Bytes, Offsets, text_bytes


def longest_line(batch: Batch) -> npt.NDArray[np.float64]:
    r"""Score: characters of the longest line, lines split at "\n" only.

    The Stack's column `max_line_length`. Default: at most 1000 (StarCoder,
    bigcode-dataset preprocessing/arguments.py, `line_max`; Codex has the same).
    """
    data, offsets = text_bytes(batch.texts)
    scores = np.empty(len(offsets) - 1, np.float64)
    _longest(data, offsets, scores)
    return scores


@numba.njit(cache=True, nogil=True)
def _longest(data: Bytes, offsets: Offsets, scores: npt.NDArray[np.float64]) -> None:
    for document in range(len(scores)):
        longest = 0
        line = 0
        for i in range(offsets[document], offsets[document + 1]):
            if data[i] == 10:
                longest = max(longest, line)
                line = 0
            else:
                # Bytes 10xxxxxx continue a character of UTF-8.
                line += (data[i] & 0xC0) != 0x80
        scores[document] = max(longest, line)
