"""Tables of symbols, ASCII art and encoded data have few letters and digits."""

import numba
import numpy as np
import numpy.typing as npt

from filters.batch import Batch
from filters.text import Bytes, Offsets, text_bytes

IS_WORD = np.array([b < 128 and (chr(b).isalnum() or chr(b) == "_") for b in range(256)])


def alphanumeric(batch: Batch) -> npt.NDArray[np.float64]:
    """Score: share of the characters that are in [A-Za-z0-9_]; 0 for an empty text.

    The Stack's column `alphanum_fraction`. Default: at least 0.25 (StarCoder,
    bigcode-dataset preprocessing/arguments.py, `alpha_frac`; Codex has the same).
    """
    data, offsets = text_bytes(batch.texts)
    scores = np.empty(len(offsets) - 1, np.float64)
    _share(data, offsets, scores)
    return scores


@numba.njit(cache=True, nogil=True)
def _share(data: Bytes, offsets: Offsets, scores: npt.NDArray[np.float64]) -> None:
    for document in range(len(scores)):
        words = 0
        characters = 0
        for i in range(offsets[document], offsets[document + 1]):
            words += IS_WORD[data[i]]
            characters += (data[i] & 0xC0) != 0x80
        scores[document] = words / max(characters, 1)
