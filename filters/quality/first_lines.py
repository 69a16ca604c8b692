"""The first characters of texts, where files state what they are."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from filters.quality.batch import Batch

CHARACTERS = 4096
"""Characters that are read: five lines and more of a file that is not minified."""

XML_HEADER = "<?xml version="
XML_CHARACTERS = 100


def first_characters(batch: Batch) -> Any:
    """Return the first CHARACTERS of each text as an Arrow array of strings; "" for null.

    Scores call `batch.once(first_characters)`.
    """
    return pc.fill_null(pc.utf8_slice_codeunits(batch.texts, 0, CHARACTERS), "")


def xml_header(batch: Batch) -> npt.NDArray[np.float64]:
    """Score: 1 if the first 100 characters hold `<?xml version=`, else 0.

    Files of some extensions are more often XML than the language of the extension. Default: at
    most 0, for every language that is not itself XML (StarCoder, arXiv 2305.06161, section 3.1;
    bigcode-dataset preprocessing/filtering.py, `filter_xml`, which exempts XSLT only).
    """
    starts = pc.utf8_slice_codeunits(batch.once(first_characters), 0, XML_CHARACTERS)
    matches = pc.match_substring(starts, XML_HEADER)
    return np.asarray(matches).astype(np.float64)
