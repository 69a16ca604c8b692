"""Binary files, and texts read in the wrong encoding, are full of control characters."""

import numpy as np
import numpy.typing as npt

from filters.quality.batch import Batch
from filters.quality.characters import characters


def control_characters(batch: Batch) -> npt.NDArray[np.float64]:
    r"""Score: share of control characters (C0 and C1 but for layout) and of U+FFFD; 0 when empty.

    Default: at most 0.01. It is ours: git calls a file binary at the first NUL of its first 8000
    bytes (xdiff-interface.c), but sources hold single NULs and escapes as string constants, while
    UTF-16 read as UTF-8 is half NULs.
    """
    counts = batch.once(characters)
    return counts.controls / np.maximum(counts.characters, 1)
