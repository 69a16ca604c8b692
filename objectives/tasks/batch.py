"""What a trainer gets, and what an objective is given to make it from."""

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

PADDING = -1
"""The document of a position that holds padding."""

FORGOTTEN = -2
"""The document of a position that is padding because a tombstone took what stood in its place."""


@dataclass(frozen=True)
class Batch:
    """Sequences of the stream: B of them, of L positions each.

    Attributes:
        tokens: int64 [B, L].
        weights: float32 [B, L], the loss weight of PREDICTING token i; 0 at the first position.
        documents: int32 [B, L], the number of the document within its sequence, from 0; a document
            that is cut by the sequence's edge counts as one. PADDING or FORGOTTEN, both below 0,
            where there is none.
        prefix: int32 [B], how many positions at the front see each other; 0: none.
        objective: uint8 [B], index into objectives.tasks.registry.OBJECTIVES.
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

    @classmethod
    def bare(cls, rows: int, length: int) -> Self:
        """Return one with room for tokens only: weights and documents are [B, 0]. CLM takes it."""
        nothing = cls.empty(rows, 0)
        return replace(nothing, tokens=np.empty((rows, length), np.int64))

    @property
    def rows(self) -> "Rows":
        """What a kernel writes: views of the batch."""
        return Rows(self.tokens, self.weights, self.documents, self.prefix)

    def part(self, start: int, stop: int) -> Self:
        """Return some of the rows: views."""
        return type(self)(**{name: array[start:stop] for name, array in self.arrays().items()})

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays by their names."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


class Rows(NamedTuple):
    """The arrays of a Batch that objectives write, as compiled functions can take them."""

    tokens: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]
    documents: npt.NDArray[np.int32]
    prefix: npt.NDArray[np.int32]


class Segments(NamedTuple):
    """What the B sequences of a batch are made from: documents, cut at the sequences' edges.

    Sequence i is segments first[i] .. first[i + 1] - 1, in their order. Segment s is
    tokens[starts[s] : starts[s] + lengths[s]]; where `closed`, its document ends there, and its
    end token follows, which is not among `tokens`.

    Attributes:
        tokens: uint16 or uint32 [any], as they are on disk.
        starts: int64 [S].
        lengths: int64 [S], without the end token; may be 0.
        closed: bool [S].
        first: int64 [B + 1], from 0 to S.
        allowances: int64 [B], control ids that an objective may add. A sequence of fewer than
            L - allowance addresses has lost the others to a tombstone.
        keys: uint64 [B], what each sequence's randomness is drawn from.
    """

    tokens: npt.NDArray[Any]
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    closed: npt.NDArray[np.bool_]
    first: npt.NDArray[np.int64]
    allowances: npt.NDArray[np.int64]
    keys: npt.NDArray[np.uint64]
