"""Files of some extensions are XML more often than what the extension says."""

from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from filters.quality.batch import Batch
from filters.quality.first_lines import opening

HEADER = "<?xml version="
CHARACTERS = 100


def xml_header(batch: Batch) -> npt.NDArray[np.float64]:
    """Score: 1 where the first 100 characters hold `<?xml version=`, else 0.

    Default: at most 0, for every language that is not itself XML (StarCoder, arXiv 2305.06161,
    section 3.1; bigcode-dataset preprocessing/filtering.py, `filter_xml`, which knows XSLT only).
    """
    starts = pc.utf8_slice_codeunits(batch.once(opening), 0, CHARACTERS)
    found = pc.match_substring(starts, HEADER).to_numpy(zero_copy_only=False)
    return cast(npt.NDArray[np.float64], found.astype(np.float64))
