"""Documents that say nothing."""

from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from filters.quality.batch import Batch


def empty(batch: Batch) -> npt.NDArray[np.float64]:
    """Score: characters left when Unicode whitespace is trimmed from both ends; null has none.

    Default: at least 1. The Stack itself stores no empty file (its card); the Pile does.
    """
    trimmed = pc.utf8_length(pc.utf8_trim_whitespace(batch.texts)).fill_null(0)
    return cast(npt.NDArray[np.float64], np.asarray(trimmed, np.float64))
