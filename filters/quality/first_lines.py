"""The first characters and lines of texts, where files say what they are."""

from typing import Any

import pyarrow.compute as pc

from filters.quality.batch import Batch

CHARACTERS = 4096
"""Characters that are looked at, at most: five lines of one that is not minified."""


def opening(batch: Batch) -> Any:
    """Return the first CHARACTERS of each text, an Arrow array of strings; "" for null."""
    return pc.fill_null(pc.utf8_slice_codeunits(batch.texts, 0, CHARACTERS), "")
