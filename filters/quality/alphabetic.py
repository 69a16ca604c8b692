"""Some extensions name both code and tables of numbers; tables have few letters."""

import numpy as np
import numpy.typing as npt

from filters.quality.batch import Batch
from filters.quality.characters import characters


def alphabetic(batch: Batch) -> npt.NDArray[np.float64]:
    """Score: share of the characters that are letters, of any script; 0 for an empty text.

    Default: at least 0.25 for the extensions that tables/extensions.toml lists, and 0.5 for JSON
    and YAML (StarCoder, bigcode-dataset preprocessing/visual_inspection.csv, `Alpha filter`).
    """
    counts = batch.once(characters)
    return counts.letters / np.maximum(counts.characters, 1)
