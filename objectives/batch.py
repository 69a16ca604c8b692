"""What a trainer gets, and what an objective is given to make it from."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from manifests.control import Control
from manifests.window import Window

PADDING = -1
"""The document of a position that holds padding."""


@dataclass(frozen=True)
class Batch:
    """Sequences of the stream: B of them, of L positions each.

    Attributes:
        tokens: int64 [B, L].
        weights: float32 [B, L], the loss weight of PREDICTING token i; 0 at the first position.
        documents: int32 [B, L], the number of the document within its sequence, from 0; a document
            that is cut by the sequence's edge counts as one. PADDING where there is none.
        prefix: int32 [B], how many positions at the front see each other; 0: none.
        objective: uint8 [B], index into objectives.slots.OBJECTIVES.
        component: uint16 [B], index into the plan's components.
    """

    tokens: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]
    documents: npt.NDArray[np.int32]
    prefix: npt.NDArray[np.int32]
    objective: npt.NDArray[np.uint8]
    component: npt.NDArray[np.uint16]

    @classmethod
    def empty(cls, rows: int, length: int) -> Self:
        """Return a batch whose rows are still to be written."""
        return cls(
            tokens=np.empty((rows, length), np.int64),
            weights=np.empty((rows, length), np.float32),
            documents=np.empty((rows, length), np.int32),
            prefix=np.zeros(rows, np.int32),
            objective=np.zeros(rows, np.uint8),
            component=np.zeros(rows, np.uint16),
        )

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays by their names."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


class Row(NamedTuple):
    """One row of a batch, to be filled in place: views of its tokens, weights and documents."""

    tokens: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]
    documents: npt.NDArray[np.int32]


class Addresses(NamedTuple):
    """What a sequence is made from: consecutive addresses, cut at the ends of documents.

    Segment i is tokens[starts[i] : starts[i] + lengths[i]]; where `closed`, its end token follows.
    Segments cover the addresses without gaps.

    Attributes:
        tokens: int64 [n].
        starts: int64 [s].
        lengths: int64 [s], without the end token; may be 0.
        closed: bool [s].
    """

    tokens: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    closed: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, windows: Sequence[Window]) -> Self:
        """Join windows; where two of them meet, a document is cut without an end token."""
        stops, closed, base = [], [], 0
        for window in windows:
            size = len(window.tokens)
            stops.append(window.ends + (base + 1))
            closed.append(np.ones(len(window.ends), np.bool_))
            base += size
            if not len(window.ends) or window.ends[-1] + 1 < size:
                stops.append(np.array([base]))
                closed.append(np.zeros(1, np.bool_))
        joined = np.concatenate(stops)
        starts = np.concatenate([[0], joined[:-1]])
        is_closed = np.concatenate(closed)
        tokens = windows[0].tokens
        if len(windows) > 1:
            tokens = np.concatenate([window.tokens for window in windows])
        return cls(tokens, starts, joined - starts - is_closed, is_closed)

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """int64 [s], addresses of each segment, its end among them."""
        return self.lengths + self.closed


def pad(row: Row, used: int, control: Control) -> None:
    """Write padding from position `used` on: end tokens that nobody learns to predict."""
    row.tokens[used:] = control.end
    row.weights[used:] = 0
    row.documents[used:] = PADDING
