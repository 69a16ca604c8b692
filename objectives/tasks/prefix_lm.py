"""Prefix-LM: positions at the front see each other; what follows them is learned, causally.

arXiv 2305.02309, section 3.1: the part without a causal mask has r N positions, r ~ U[0, 0.9], and
its loss is masked, for each of its tokens is seen by the positions before it. The prefix is of the
sequence, not of a document: that is what the paper's attention mask is, too.
"""

import numpy as np
import numpy.typing as npt
from pydantic import Field

from manifests.prng.jit import compiled
from manifests.prng.splitmix_kernels import below, draw
from manifests.special_tokens import SpecialTokens
from objectives.tasks.batch import Batch, Rows, Segments
from objectives.tasks.kernels import FIXED, copy_segment, mark, pad
from objectives.tasks.ratios import Ratios


class Settings(Ratios):
    """How long the prefix is, as a share of the sequence."""

    ratio_low: float = Field(default=0.0, ge=0, le=1)
    """Least share of the positions: the paper's."""
    ratio_high: float = Field(default=0.9, ge=0, le=1)
    """Largest share of the positions: the paper's."""


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
    """Copy some sequences into their rows of a batch, and draw the prefix of each."""
    fill_after(segments, sequences, batch, control, settings, None)


def fill_after(
    segments: Segments,
    sequences: npt.NDArray[np.int64],
    batch: Batch,
    control: SpecialTokens,
    settings: Settings,
    mode: int | None,
) -> None:
    """Do what `fill` does, behind a token that names the task, where there is one.

    The prefix holds it too, and ends before the last position that is not padding.
    """
    low, high = settings.fixed
    _fill(segments, sequences, batch.rows, control.end, low, high, -1 if mode is None else mode)


@compiled()
def _fill(
    segments: Segments,
    sequences: npt.NDArray[np.int64],
    rows: Rows,
    end: int,
    low: int,
    high: int,
    mode: int,
) -> None:
    for sequence in sequences:
        row, weights = rows.tokens[sequence], rows.loss_weights[sequence]
        documents = rows.segment_ids[sequence]
        first = segments.first[sequence]
        used = 0
        if mode >= 0:
            row[0] = mode
            used = 1
        for segment in range(first, segments.first[sequence + 1]):
            start, used = used, copy_segment(segments, segment, row, used, end)
            mark(weights, documents, start, used, segment - first)
        if mode >= 0:
            documents[0] = 0
        ratio = low + below(draw(segments.keys[sequence], 0), high - low + 1)
        prefix = min((ratio * len(row) + (1 << FIXED - 1)) >> FIXED, max(used - 1, 0))
        weights[: max(prefix, 1)] = 0
        rows.prefix[sequence] = prefix
        pad(segments, sequence, rows, used, end)
