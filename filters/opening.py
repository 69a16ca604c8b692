"""The first characters and lines of texts, where files say what they are."""

import pyarrow.compute as pc

from filters.batch import Batch

CHARACTERS = 4096
"""Characters that are looked at, at most: five lines of one that is not minified."""


def opening(batch: Batch) -> list[str]:
    """Return the first CHARACTERS of each text; "" for null."""
    cut = pc.utf8_slice_codeunits(batch.texts, 0, CHARACTERS)
    found: list[str] = pc.fill_null(cut, "").to_pylist()
    return found
