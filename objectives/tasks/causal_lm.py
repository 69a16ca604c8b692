"""Causal language modeling: the addresses as they are."""

import numpy as np
import numpy.typing as npt

from manifests.config import Config
from manifests.prng.jit import compiled
from manifests.special_tokens import SpecialTokens
from objectives.tasks.batch import Batch, Rows, Segments
from objectives.tasks.kernels import copy_segment, mark, pad


class Settings(Config):
    """There is nothing to set."""


def reserved_tokens(count: int, length: int) -> list[int]:
    """Return 0 for each of `count` slots: nothing is added to the tokens."""
    return [0] * count


def fill(
    segments: Segments,
    sequences: npt.NDArray[np.int64],
    batch: Batch,
    control: SpecialTokens,
    settings: Settings,
) -> None:
    """Copy some sequences into their rows of a batch; nothing is random."""
    _fill(segments, sequences, batch.rows, control.end)


@compiled()
def _fill(segments: Segments, sequences: npt.NDArray[np.int64], rows: Rows, end: int) -> None:
    for sequence in sequences:
        row, weights = rows.tokens[sequence], rows.loss_weights[sequence]
        documents = rows.segment_ids[sequence]
        first = segments.first[sequence]
        used = 0
        for segment in range(first, segments.first[sequence + 1]):
            start, used = used, copy_segment(segments, segment, row, used, end)
            mark(weights, documents, start, used, segment - first)
        weights[:1] = 0  # there is none in a bare batch
        pad(segments, sequence, rows, used, end)
