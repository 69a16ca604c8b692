"""Minified code, data and base64 have very long lines."""

import numpy as np
import numpy.typing as npt

from filters.quality.batch import Batch
from filters.quality.characters import characters


def longest_line(batch: Batch) -> npt.NDArray[np.float64]:
    r"""Score: characters of the longest line, lines split at "\n" only.

    The Stack's column `max_line_length`. Default: at most 1000 (StarCoder,
    bigcode-dataset preprocessing/arguments.py, `line_max`; Codex has the same).
    """
    return batch.once(characters).longest.astype(np.float64)
