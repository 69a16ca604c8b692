import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from manifests.dataset.token_range import Window
from manifests.special_tokens import SpecialTokens
from objectives.tasks.batch import PADDING, Batch
from objectives.tasks.causal_lm import CausalLM
from objectives.tasks.law import Law
from tests.objectives.windows import addresses_in, segments_of

CONTROL = SpecialTokens(end=9, vocabulary=10)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=8), st.integers(0, 3))
def test_copies_and_numbers_the_documents(lengths, spare):
    ends = np.cumsum(np.array(lengths) + 1) - 1
    window = Window((np.arange(sum(lengths)) % 9).astype(np.uint16), ends)
    tokens = addresses_in([window], CONTROL.end)
    segments = segments_of(CausalLM(CONTROL), [[window]], [spare], [0])
    batch = Batch.empty(1, len(tokens) + spare)
    CausalLM(CONTROL).fill(segments, np.arange(1), batch)
    used = len(tokens)
    assert np.array_equal(batch.tokens[0, :used], tokens)
    assert (batch.tokens[0, used:] == CONTROL.end).all()
    assert batch.loss_weights[0].tolist() == [0.0] + [1.0] * (used - 1) + [0.0] * spare
    expected = np.repeat(np.arange(len(lengths)), np.array(lengths) + 1)
    assert np.array_equal(batch.segment_ids[0, :used], expected)
    assert (batch.segment_ids[0, used:] == PADDING).all()


def test_no_control_tokens_are_added():
    assert CausalLM(CONTROL).law == Law()
