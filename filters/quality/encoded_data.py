r"""Base64, hexadecimal and escaped data in source code.

StarCoder2 (arXiv 2402.19173, section 3.1) searches for three patterns:

    base64       [a-zA-Z0-9+/\n=]{64,}
    hexadecimal  (?:\b(?:0x|\\x)?[0-9a-fA-F]{2}(?:,|\b\s*)){8,}
    Unicode      (?:\\u[0-9a-fA-F]{4}){8,}

and drops a file if one match is longer than 1024 characters or if half of the file matches. This
module compiles the same patterns with ASCII's word characters and whitespace. Overlapping matches
of different patterns count once.
"""

import re
from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc

from filters.quality.batch import Batch, Scores
from filters.utf8 import text_bytes

PATTERNS = (
    r"[a-zA-Z0-9+/\n=]{64,}",
    r"(?:\b(?:0x|\\x)?[0-9a-fA-F]{2}(?:,|\b[ \t\n\r\f\v]*)){8,}",
    r"(?:\\u[0-9a-fA-F]{4}){8,}",
)
"""The patterns, written so that RE2 and Python's `re` on bytes agree."""

# A prefix of a match is enough to select the texts that match.
_ANY = "|".join(PATTERNS).replace(",}", "}")
_EACH = [re.compile(pattern.encode()) for pattern in PATTERNS]


class EncodedData(NamedTuple):
    """Matches in n texts, float64 [n] each.

    Attributes:
        longest: bytes of the longest match.
        covered: bytes that all matches cover.
    """

    longest: Scores
    covered: Scores


def encoded_data(batch: Batch) -> EncodedData:
    """Search a batch for encoded data. Scores call `batch.once(encoded_data)`."""
    matches = EncodedData(*(np.zeros(len(batch.texts)) for _ in range(2)))
    # RE2 passes over texts several times faster than `re`, and few texts match.
    for row in pc.indices_nonzero(pc.match_substring_regex(batch.texts, _ANY)).to_pylist():
        matches.longest[row], matches.covered[row] = _measure(batch.texts[row].as_py().encode())
    return matches


def encoded_run(batch: Batch) -> Scores:
    """Score: bytes of the longest match. Default: at most 1024 (see above)."""
    return batch.once(encoded_data).longest


def encoded_share(batch: Batch) -> Scores:
    """Score: share of the bytes that match. Default: at most 0.5 (see above)."""
    _, offsets = text_bytes(batch.texts)
    return batch.once(encoded_data).covered / np.maximum(np.diff(offsets), 1)


def _measure(text: bytes) -> tuple[int, int]:
    """Return the bytes of a text's longest match and the bytes that all matches cover."""
    longest = covered = reached = 0
    for start, stop in sorted(m.span() for pattern in _EACH for m in pattern.finditer(text)):
        longest = max(longest, stop - start)
        covered += max(0, stop - max(start, reached))
        reached = max(reached, stop)
    return longest, covered
