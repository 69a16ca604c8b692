"""Tables of symbols, ASCII art and encoded data have few letters and digits."""

import numpy as np
import numpy.typing as npt

from filters.quality.batch import Batch
from filters.quality.characters import characters


def alphanumeric(batch: Batch) -> npt.NDArray[np.float64]:
    r"""Score: share of the characters that are letters, digits or "_"; 0 for an empty text.

    The Stack's column `alphanum_fraction`: characters that match `\w`, of any script, as Python
    knows them. Default: at least 0.25 (StarCoder, bigcode-dataset preprocessing/arguments.py,
    `alpha_frac`; Codex has the same).
    """
    counts = batch.once(characters)
    return counts.words / np.maximum(counts.characters, 1)
