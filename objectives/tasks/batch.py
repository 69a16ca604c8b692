"""The arrays of a batch, and the segments of documents that an objective makes a batch from."""

from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
SegmentIds = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

PADDING = -1
"""Segment id of a position that holds padding."""

FORGOTTEN = -2
"""Segment id of a position that holds padding because a tombstone removed its document."""


class Batch(NamedTuple):
    """B sequences of the stream, of L positions each; compiled functions accept it.

    Attributes:
        tokens: int64 [B, L].
        loss_weights: float32 [B, L]. loss_weights[i, j] is the weight of the loss of predicting
            token j from the tokens before it; it is 0 at the first position.
        segment_ids: int32 [B, L], the number of the segment within its sequence, from 0. A segment
            is a document, or the part of a document that lies in the sequence. Positions without
            a segment hold PADDING or FORGOTTEN, which are below 0.
        prefix: int32 [B], how many positions at the front attend to each other; 0 for none.
        objective: uint8 [B], index into objectives.tasks.registry.OBJECTIVES.
        component: uint16 [B], index into the plan's components.
        eligible: int32 [B], how many segments the objective's law changes.
        thinned: int32 [B], how many of these stay plain, or have fewer spans, because the positions
            of their unit were used up.
    """

    tokens: npt.NDArray[np.int64]
    loss_weights: npt.NDArray[np.float32]
    segment_ids: npt.NDArray[np.int32]
    prefix: npt.NDArray[np.int32]
    objective: npt.NDArray[np.uint8]
    component: npt.NDArray[np.uint16]
    eligible: npt.NDArray[np.int32]
    thinned: npt.NDArray[np.int32]

    @classmethod
    def empty(cls, rows: int, length: int) -> Self:
        """Return a batch whose rows are not written yet."""
        return cls(
            tokens=np.empty((rows, length), np.int64),
            loss_weights=np.empty((rows, length), np.float32),
            segment_ids=np.empty((rows, length), np.int32),
            prefix=np.zeros(rows, np.int32),
            objective=np.zeros(rows, np.uint8),
            component=np.zeros(rows, np.uint16),
            eligible=np.zeros(rows, np.int32),
            thinned=np.zeros(rows, np.int32),
        )

    @classmethod
    def tokens_only(cls, rows: int, length: int) -> Self:
        """Return a batch whose loss_weights and segment_ids are [B, 0]; only CLM can fill it."""
        return cls.empty(rows, 0)._replace(tokens=np.empty((rows, length), np.int64))

    def part(self, start: int, stop: int) -> Self:
        """Return rows `start` .. `stop - 1` as views."""
        return type(self)._make(array[start:stop] for array in self)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays by their names."""
        return self._asdict()


class Segments(NamedTuple):
    """The input of an objective: the segments of B sequences, as objectives.tasks.layout cut them.

    Sequence i consists of segments first[i] .. first[i + 1] - 1, in order. Segment s is
    tokens[starts[s] : starts[s] + lengths[s]], and an end token where ends_document[s] is true.
    `tokens` does not contain that end token.

    Attributes:
        tokens: uint16 or uint32 [any], as stored in the shards.
        starts: int64 [S].
        lengths: int64 [S], in tokens without the end token; 0 for an empty document.
        ends_document: bool [S], whether the document ends with this segment.
        control_tokens: int64 [S], how many control tokens `fill` adds to the segment; 0 for a
            segment that stays plain.
        keys: uint64 [S], the key of each segment's random numbers.
        details: int64 [S, 4], what the layout drew of the segment's law, for some objectives.
        first: int64 [B + 1], ascending from 0 to S.
        forgotten: int64 [B], positions that a tombstone removed from the sequence.
        sequence_keys: uint64 [B], the key of the random numbers of each whole sequence.
    """

    tokens: npt.NDArray[Any]
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    ends_document: npt.NDArray[np.bool_]
    control_tokens: npt.NDArray[np.int64]
    keys: npt.NDArray[np.uint64]
    details: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    forgotten: npt.NDArray[np.int64]
    sequence_keys: npt.NDArray[np.uint64]
