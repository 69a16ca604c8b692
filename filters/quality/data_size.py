"""Small JSON and YAML files configure something; large ones are data."""

import numpy as np
import numpy.typing as npt

from filters.quality.batch import Batch
from filters.quality.characters import characters


def data_size(batch: Batch) -> npt.NDArray[np.float64]:
    """Score: characters.

    Default: 100 to 5000 for JSON and YAML (bigcode-dataset preprocessing/arguments.py, `min_size`
    and `max_size`; DeepSeek-Coder, arXiv 2401.14196, section 2.1, has 50 to 5000).
    """
    return batch.once(characters).characters.astype(np.float64)
