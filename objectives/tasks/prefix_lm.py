"""Prefix-LM: the front of a sequence attends to itself, and the loss is on what follows it.

Published (arXiv 2305.02309, section 3.1.1): the part without a causal mask has r N of N positions,
r ~ U[0, 0.9], and no loss, since earlier positions see each of its tokens. The prefix is of the
sequence and not of a document, as the paper's attention mask is.
"""

import numpy as np
import numpy.typing as npt

from manifests.prng.jit import compiled
from manifests.prng.splitmix import below, draw
from objectives.tasks.batch import Batch, Segments
from objectives.tasks.kernels import FIXED, copy_sequence, pad
from objectives.tasks.objective import Objective
from objectives.tasks.ratios import Ratios


class Settings(Ratios):
    """The length of the prefix, as a share of the positions. Published: 0 to 0.9."""


class PrefixLM(Objective[Settings]):
    """Copies the tokens, and draws the length of each sequence's prefix."""

    name = "prefix_lm"
    has_prefix = True
    settings_class = Settings

    def fill(self, segments: Segments, sequences: npt.NDArray[np.int64], batch: Batch) -> None:
        """Write some rows of a batch; see `Objective.fill`."""
        fill_prefixed(segments, sequences, batch, self.control.end, *self.settings.fixed, -1)


@compiled()
def fill_prefixed(
    segments: Segments,
    sequences: npt.NDArray[np.int64],
    batch: Batch,
    end: int,
    low: int,
    high: int,
    mode: int,
) -> None:
    """Write rows with a prefix, which ends before the last position that is not padding.

    Args:
        segments: of the batch.
        sequences: the rows to write.
        batch: the batch.
        end: id of the end token.
        low: least share of the positions, in fixed point.
        high: largest share of the positions, in fixed point.
        mode: id of a token at the front, which the prefix includes; -1 for none.
    """
    for sequence in sequences:
        used = 0
        if mode >= 0:
            batch.tokens[sequence, 0] = mode
            batch.segment_ids[sequence, 0] = 0
            used = 1
        used = copy_sequence(segments, sequence, batch, used, end)
        ratio = low + below(draw(segments.sequence_keys[sequence], 0), high - low + 1)
        length = batch.tokens.shape[1]
        prefix = min((ratio * length + (1 << FIXED - 1)) >> FIXED, max(used - 1, 0))
        batch.loss_weights[sequence, : max(prefix, 1)] = 0
        batch.prefix[sequence] = prefix
        pad(segments, sequence, batch, used, end)
