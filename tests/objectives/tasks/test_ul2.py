"""The laws of UL2's denoisers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objectives.tasks.registry import MIXES, OBJECTIVES
from objectives.tasks.ul2 import DENOISERS, SHORTEST, denoised
from tests.objectives import plain_laws
from tests.objectives.rows import (
    CONTROL,
    LAWS,
    addresses_of,
    assert_alone_as_in_a_batch,
    assert_padded,
    keys,
    row_of,
    sources,
)
from tests.objectives.windows import addresses_in, lengths_of, segments_of

denoisers = st.sampled_from(DENOISERS)


def spans_in(row):
    """(body, spans): what stands before <sep>, and what each mask behind it is answered with."""
    used = row.tokens[: row.used]
    (sep,) = np.flatnonzero(used == CONTROL.sep)
    answers = used[sep + 1 : -1]
    starts = np.flatnonzero(answers > CONTROL.eom)
    return used[:sep], np.split(answers, starts)[1:]


@settings(max_examples=LAWS)
@given(denoisers, sources, st.integers(3, 70), keys, st.sampled_from([CONTROL.masks, 3]))
def test_rows_are_well_formed_and_restore(denoiser, windows, spare, key, masks):
    control = CONTROL.model_copy(update={"masks": masks})
    objective = denoiser(control)
    row = row_of(objective, windows, spare, key)
    expected = addresses_in(windows)
    assert np.array_equal(objective.restore(row.tokens, row.segment_ids), expected)
    assert_padded(row, control)
    if not segments_of(objective, [windows], [spare], [key]).control_tokens.any():
        assert row.prefix == 0
        assert np.array_equal(row.tokens[: row.used], expected)
        return
    body, spans = spans_in(row)
    assert row.prefix == len(body) + 1
    assert (row.loss_weights[: row.prefix] == 0).all()
    assert (row.loss_weights[row.prefix : row.used] == 1).all()
    numbers = [CONTROL.mask(number + 1) for number in range(len(spans))]
    assert body[body > CONTROL.eom].tolist() == numbers
    assert [int(span[0]) for span in spans] == numbers
    assert all(len(span) > 1 for span in spans)
    assert all(CONTROL.end not in span for span in spans)
    for span in spans:  # inside one document: its tokens are numbered through
        assert (np.diff(span[1:]) % 50_000 == 1).all()


@pytest.mark.parametrize("denoiser", DENOISERS)
def test_shares_and_lengths_are_the_published_ones(denoiser):
    row = row_of(denoiser(CONTROL), [addresses_of([2047])], 2000, 1)
    _, spans = spans_in(row)
    masked = sum(len(span) - 1 for span in spans)
    assert masked == pytest.approx(denoiser.share * 2047, abs=0.5)
    assert masked / len(spans) == pytest.approx(denoiser.mean, rel=0.05)


@pytest.mark.parametrize("denoiser", DENOISERS)
def test_numbers_are_those_of_plain_python_for_every_length(denoiser):
    law, lengths = denoiser(CONTROL).law, np.arange(2, 5000)
    expected = plain_laws.denoiser_numbers(lengths, denoiser.share, denoiser.mean)
    numbers = [denoised(length, law.rate, law.mean) for length in lengths.tolist()]
    assert np.array_equal(np.array(numbers).T, expected)


@given(denoisers, sources, keys)
def test_every_segment_has_spans_where_there_is_room(denoiser, windows, key):
    segments = segments_of(denoiser(CONTROL), [windows], [5000], [key])
    assert ((segments.control_tokens > 0) == (lengths_of(windows) >= SHORTEST)).all()


@given(
    denoisers,
    st.lists(st.tuples(sources, keys), min_size=1, max_size=6),
    st.randoms(use_true_random=False),
)
def test_a_row_does_not_depend_on_the_others(denoiser, drawn, order):
    assert_alone_as_in_a_batch(denoiser(CONTROL), drawn, 12, order)


def test_s_denoisers_have_the_published_shares():
    ul2, simplified = MIXES["ul2"], MIXES["ul2_simplified"]
    assert ul2["ul2_s"] / sum(ul2.values()) == pytest.approx(1 / 7)
    assert simplified["ul2_s_half"] / sum(simplified.values()) == pytest.approx(0.5)
    assert all(OBJECTIVES[name](CONTROL).has_prefix for name in {*ul2, *simplified})
