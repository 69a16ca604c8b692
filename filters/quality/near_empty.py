"""Stubs, lone braces and rulers: next to nothing to learn from."""

import numpy as np
import numpy.typing as npt

from filters.quality.batch import Batch
from filters.quality.characters import characters


def near_empty(batch: Batch) -> npt.NDArray[np.float64]:
    """Score: letters, digits and "_".

    Default: at least 5, so that one word stays. It is ours: no published preparation of code has
    such a limit (SlimPajama asks 200 characters of web text: arXiv 2309.10818, section 2.2).
    """
    return batch.once(characters).words.astype(np.float64)
