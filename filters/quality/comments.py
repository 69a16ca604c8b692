"""Share of comments: source code without comments is often generated or data."""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from filters.quality.batch import Batch

LEXERS = {"java": "java", "javascript": "javascript", "python": "python"}
"""Component -> lexer of Pygments. SantaCoder measured these three languages."""


def comment_share(batch: Batch) -> npt.NDArray[np.float64]:
    """Score: share of the characters that are in comments or docstrings; 0 for an empty text.

    Default: 0.01 to 0.8, off (SantaCoder, arXiv 2301.03988, section 5.1; bigcode-dataset
    preprocessing/arguments.py; StarCoder left it out). NaN for other languages than LEXERS.
    Pygments finds the comments of all three languages, as SantaCoder's program does for Java and
    JavaScript: so comments are also found in Python that does not compile.
    """
    return batch.once(_shares)


def _shares(batch: Batch) -> npt.NDArray[np.float64]:
    """Return the score of each document; the filters of both bounds share the result."""
    pairs = zip(batch.texts.to_pylist(), batch.components, strict=True)
    return np.array([_share(text or "", component) for text, component in pairs], np.float64)


def _share(text: str, component: str) -> float:
    """Return the score of one text."""
    from pygments.token import Comment, String

    if component not in LEXERS:
        return float("nan")
    tokens = _lexer(LEXERS[component]).get_tokens_unprocessed(text)
    length = sum(len(value) for _, kind, value in tokens if kind in Comment or kind in String.Doc)
    return length / max(len(text), 1)


@lru_cache(maxsize=len(LEXERS))
def _lexer(name: str) -> Any:
    from pygments.lexers import get_lexer_by_name

    return get_lexer_by_name(name)
