"""Prefix attention: the front of a sequence attends to itself, and the loss is on what follows it.

Published (arXiv 2305.02309, section 3.1.1): the part without a causal mask has r N of N positions,
r ~ U[0, 0.9], and no loss, because earlier positions see each of its tokens. The prefix is of the
sequence and not of a document, as the paper's attention mask is.
"""

import numpy as np
import numpy.typing as npt

from manifests.prng.jit import compiled
from manifests.prng.splitmix import below, draw
from objectives.tasks.batch import Batch, Numbers
from objectives.tasks.kernels import FIXED

RATIOS = (0.0, 0.9)
"""Least and largest share of the positions. Published (section 3.1.1)."""


@compiled(inline=True)
def prefix_length(key: np.uint64, low: int, high: int, length: int, used: int) -> int:
    """Return how many positions of a sequence are its prefix.

    Args:
        key: of the sequence.
        low: least share of the positions, in fixed point.
        high: largest share of the positions, in fixed point.
        length: number of positions.
        used: how many of them are not padding. The prefix ends before the last of them.
    """
    ratio = low + below(draw(key, 0), high - low + 1)
    return min((ratio * length + (1 << FIXED - 1)) >> FIXED, max(used - 1, 0))


@compiled()
def write_prefixes(
    keys: npt.NDArray[np.uint64], sequences: Numbers, batch: Batch, low: int, high: int
) -> None:
    """Draw the prefixes of some rows of a batch, and set their loss weights to 0.

    Args:
        keys: uint64 [B], of the sequences.
        sequences: int64 [n], the rows.
        batch: the batch, whose rows are written.
        low: least share of the positions, in fixed point.
        high: largest share of the positions, in fixed point.
    """
    length = batch.tokens.shape[1]
    for sequence in sequences:
        segment_ids = batch.segment_ids[sequence]
        used = len(segment_ids)
        while used > 0 and segment_ids[used - 1] < 0:
            used -= 1
        prefix = prefix_length(keys[sequence], low, high, length, used)
        batch.loss_weights[sequence, :prefix] = 0
        batch.prefix[sequence] = prefix
