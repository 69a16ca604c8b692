"""Data files have long lines on average."""

import numpy as np
import numpy.typing as npt

from filters.quality.batch import Batch
from filters.quality.characters import characters


def mean_line(batch: Batch) -> npt.NDArray[np.float64]:
    r"""Score: characters, line ends included, over lines, split at "\n" only.

    The Stack's column `avg_line_length`. Default: at most 100 (StarCoder,
    bigcode-dataset preprocessing/arguments.py, `line_mean`; Codex has the same).
    """
    counts = batch.once(characters)
    return counts.characters / counts.lines
