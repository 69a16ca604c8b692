import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from manifests.dataset.token_range import Window
from manifests.special_tokens import SpecialTokens
from objectives.tasks.batch import PADDING, Batch
from objectives.tasks.causal_lm import CausalLM
from tests.objectives.windows import addresses_in, segments_of

CONTROL = SpecialTokens(end=9, vocabulary=10)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=8), st.integers(0, 3))
def test_copies_and_numbers_the_documents(lengths, allowance):
    ends = np.cumsum(np.array(lengths) + 1) - 1
    window = Window((np.arange(sum(lengths)) % 9).astype(np.uint16), ends)
    tokens = addresses_in([window], CONTROL.end)
    segments = segments_of([[window]], [allowance], [0])
    batch = Batch.empty(1, len(tokens) + allowance)
    CausalLM(CONTROL).fill(segments, np.arange(1), batch)
    used = len(tokens)
    assert np.array_equal(batch.tokens[0, :used], tokens)
    assert (batch.tokens[0, used:] == CONTROL.end).all()
    assert batch.loss_weights[0].tolist() == [0.0] + [1.0] * (used - 1) + [0.0] * allowance
    expected = np.repeat(np.arange(len(lengths)), np.array(lengths) + 1)
    assert np.array_equal(batch.segment_ids[0, :used], expected)
    assert (batch.segment_ids[0, used:] == PADDING).all()


def test_no_tokens_are_reserved():
    assert CausalLM.reserved_tokens(3, 2048) == [0, 0, 0]
