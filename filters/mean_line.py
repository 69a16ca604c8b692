"""Data files have long lines on average."""

import numba
import numpy as np
import numpy.typing as npt

from filters.batch import Batch
from filters.text import Bytes, Offsets, text_bytes


def mean_line(batch: Batch) -> npt.NDArray[np.float64]:
    r"""Score: characters, line ends included, over lines, split at "\n" only.

    The Stack's column `avg_line_length`. Default: at most 100 (StarCoder,
    bigcode-dataset preprocessing/arguments.py, `line_mean`; Codex has the same).
    """
    data, offsets = text_bytes(batch.texts)
    scores = np.empty(len(offsets) - 1, np.float64)
    _mean(data, offsets, scores)
    return scores


@numba.njit(cache=True, nogil=True)
def _mean(data: Bytes, offsets: Offsets, scores: npt.NDArray[np.float64]) -> None:
    for document in range(len(scores)):
        characters = 0
        lines = 1
        for i in range(offsets[document], offsets[document + 1]):
            lines += data[i] == 10
            characters += (data[i] & 0xC0) != 0x80
        scores[document] = characters / lines
