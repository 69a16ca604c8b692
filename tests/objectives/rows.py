"""One row of a batch, made by any objective from windows of numbered tokens."""

import os
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from manifests.dataset.token_range import Window
from manifests.special_tokens import SpecialTokens
from objectives.tasks.batch import Batch
from tests.objectives.windows import addresses_in, segments_of

CONTROL = SpecialTokens(end=50256, sep=50299, eom=50300, mask_1=51199, masks=899, vocabulary=51200)
keys = st.integers(0, 2**64 - 1)
LAWS = int(os.environ.get("LAWS", "250"))
"""Examples of each property: `LAWS=10000 python -m pytest tests/objectives -k well_formed`."""


class Row(NamedTuple):
    """A row of a batch."""

    tokens: np.ndarray
    loss_weights: np.ndarray
    segment_ids: np.ndarray
    prefix: int = 0

    @property
    def used(self):
        return int(np.count_nonzero(self.segment_ids >= 0))


def addresses_of(lengths, is_open=False, start=0):
    """Documents of these lengths, numbered tokens; the last one cut short if `is_open`."""
    ends = np.cumsum(np.array(lengths) + 1) - 1
    tokens = (start + np.arange(sum(lengths))) % 50_000
    return Window(tokens.astype(np.uint16), ends[:-1] if is_open else ends)


sources = (
    st.lists(
        st.builds(
            addresses_of, st.lists(st.integers(0, 90), min_size=1, max_size=12), st.booleans()
        ),
        min_size=1,
        max_size=3,
    )
    .map(lambda windows: [w for w in windows if len(addresses_in([w]))])
    .filter(len)
)


def row_of(objective, windows, spare, key):
    """The row that an objective writes of all windows, with `spare` positions for control tokens.

    The batch held other values before.
    """
    segments = segments_of(objective, [windows], [spare], [key])
    batch = Batch.empty(1, len(addresses_in(windows)) + spare)
    batch.tokens[:], batch.loss_weights[:], batch.segment_ids[:] = -7, np.nan, 999
    objective.fill(segments, np.arange(1), batch)
    return Row(batch.tokens[0], batch.loss_weights[0], batch.segment_ids[0], int(batch.prefix[0]))


def assert_alone_as_in_a_batch(objective, drawn, spare, order):
    """Rows in any order, some of them not asked for: each is what it is alone."""
    length = max(len(addresses_in(windows)) for windows, _ in drawn) + spare
    spares = [length - len(addresses_in(windows)) for windows, _ in drawn]
    segments = segments_of(objective, [w for w, _ in drawn], spares, [key for _, key in drawn])
    batch = Batch.empty(len(drawn), length)
    batch.tokens[:] = -7
    asked = order.sample(range(len(drawn)), order.randint(1, len(drawn)))
    objective.fill(segments, np.array(asked), batch)
    for number, ((windows, key), free) in enumerate(zip(drawn, spares, strict=True)):
        if number not in asked:
            assert (batch.tokens[number] == -7).all()
            continue
        row = row_of(objective, windows, free, key)
        assert np.array_equal(batch.tokens[number], row.tokens)
        assert np.array_equal(batch.loss_weights[number], row.loss_weights)
        assert np.array_equal(batch.segment_ids[number], row.segment_ids)
        assert batch.prefix[number] == row.prefix


def assert_padded(row, control=CONTROL):
    """Behind what is used nothing is learned; the first position never is."""
    assert not np.isnan(row.loss_weights).any()
    assert (row.segment_ids[row.used :] < 0).all()
    assert (row.tokens[row.used :] == control.end).all()
    assert (row.loss_weights[row.used :] == 0).all()
    assert row.loss_weights[0] == 0
