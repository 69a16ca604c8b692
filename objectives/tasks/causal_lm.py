"""Causal language modeling: the documents as they are, one after the other."""

import numpy as np
import numpy.typing as npt

from manifests.prng.jit import compiled
from objectives.tasks.batch import Batch, Segments
from objectives.tasks.kernels import copy_segment, mark, pad
from objectives.tasks.objective import NoSettings, Objective


class CausalLM(Objective[NoSettings]):
    """Copies the tokens; nothing is random."""

    name = "clm"
    writes_tokens_only = True
    settings_class = NoSettings

    def write(self, segments: Segments, sequences: npt.NDArray[np.int64], batch: Batch) -> None:
        """Write some rows of a batch; see `Objective.write`."""
        _fill(segments, sequences, batch, self.control.end)


@compiled()
def _fill(segments: Segments, sequences: npt.NDArray[np.int64], batch: Batch, end: int) -> None:
    # `copy_sequence` written out: nested inlining makes this kernel 7 % slower.
    for sequence in sequences:
        row, loss_weights = batch.tokens[sequence], batch.loss_weights[sequence]
        segment_ids = batch.segment_ids[sequence]
        first = segments.first[sequence]
        used = 0
        for segment in range(first, segments.first[sequence + 1]):
            start, used = used, copy_segment(segments, segment, row, used, end)
            mark(loss_weights, segment_ids, start, used, segment - first)
        loss_weights[:1] = 0  # [B, 0] in a batch of tokens only
        pad(segments, sequence, batch, used, end)
