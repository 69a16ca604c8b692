"""Gopher's rules for web prose, each a score: too few words, no sentences, lists, cut-off teasers.

All of them, with their thresholds: Rae et al. 2021, arXiv 2112.11446, appendix A.1.1.
"""

import numpy as np
import numpy.typing as npt

from filters.quality.batch import Batch
from filters.quality.prose_words import words

Scores = npt.NDArray[np.float64]


def word_count(batch: Batch) -> Scores:
    """Score: words. Default: 50 to 100,000."""
    return batch.once(words).words.astype(np.float64)


def mean_word(batch: Batch) -> Scores:
    """Score: characters of the mean word; 0 without words. Default: 3 to 10."""
    found = batch.once(words)
    return found.characters / np.maximum(found.words, 1)


def symbols(batch: Batch) -> Scores:
    """Score: hash marks over words, or ellipses over words, the larger. Default: at most 0.1."""
    found = batch.once(words)
    return np.maximum(found.hashes, found.ellipses) / np.maximum(found.words, 1)


def bullet_lines(batch: Batch) -> Scores:
    """Score: share of the lines that begin with a bullet point. Default: at most 0.9."""
    found = batch.once(words)
    return found.bullets / np.maximum(found.lines, 1)


def ellipsis_lines(batch: Batch) -> Scores:
    """Score: share of the lines that end with an ellipsis. Default: at most 0.3."""
    found = batch.once(words)
    return found.trailing / np.maximum(found.lines, 1)


def alphabetic_words(batch: Batch) -> Scores:
    """Score: share of the words that have a letter. Default: at least 0.8."""
    found = batch.once(words)
    return found.alphabetic / np.maximum(found.words, 1)


def stop_words(batch: Batch) -> Scores:
    """Score: how many of the, be, to, of, and, that, have, with occur. Default: at least 2."""
    return batch.once(words).stop.astype(np.float64)
