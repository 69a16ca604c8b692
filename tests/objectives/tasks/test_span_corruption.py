"""File-level span corruption: rows are well formed, and spans are counted as they are drawn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from manifests.errors import UsageError
from manifests.special_tokens import SpecialTokens
from objectives.tasks.batch import PADDING
from objectives.tasks.kernels import FIXED
from objectives.tasks.span_corruption import (
    TRIES,
    Settings,
    SpanCorruption,
    draw_spans,
    masked_tokens,
    span_count,
)
from tests.objectives.rows import (
    CONTROL,
    LAWS,
    addresses_of,
    assert_alone_as_in_a_batch,
    keys,
    row_of,
    sources,
)
from tests.objectives.windows import addresses_in, lengths_of, segments_of

DEFAULTS = Settings()


def corrupt(windows, spare, key=0, control=CONTROL, settings=DEFAULTS):
    return row_of(SpanCorruption(control, settings), windows, spare, key)


def restore(row, control=CONTROL):
    return SpanCorruption(control).restore(row.tokens, row.segment_ids)


def spans_of(length, key, chosen=DEFAULTS, masks=CONTROL.masks):
    """(number of masked tokens, [(first token, tokens), ...]) of a segment."""
    law = SpanCorruption(CONTROL.model_copy(update={"masks": masks}), chosen).law
    key = np.uint64(key)
    masked = masked_tokens(key, length, law.low, law.high)
    count, attempt = span_count(key, length, masked, masks, law.bound)
    cuts = np.empty((count, 2), np.int64)
    draw_spans(key, length, masked, count, attempt, law.bound, cuts)
    return masked, list(map(tuple, cuts.tolist()))


spare = st.integers(0, 70)
settings_of = st.builds(
    lambda low, high, shortest: Settings(
        ratio_low=min(low, high), ratio_high=max(low, high), shortest=shortest
    ),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(1, 12),
)


@settings(max_examples=LAWS, deadline=None)
@given(st.integers(1, 3000), keys, settings_of, st.sampled_from([899, 2, 1]))
def test_spans_have_the_masked_tokens_and_gaps(length, key, chosen, masks):
    masked, spans = spans_of(length, key, chosen, masks)
    low, high = (round(r * (1 << FIXED)) for r in (chosen.ratio_low, chosen.ratio_high))
    assert max(1, low * length >> FIXED) <= masked <= max(1, 1 + (high * length >> FIXED))
    assert masked == sum(size for _, size in spans)
    assert 1 <= len(spans) <= masks
    end = -1
    for start, size in spans:
        assert start > end
        assert size >= 1
        end = start + size
    assert end <= length


@settings(max_examples=LAWS, deadline=None)
@given(st.integers(2, 4000), keys, st.sampled_from([0, 1, 3, 64]))
def test_one_more_masked_token_adds_at_most_one_span(masked, key, bound):
    """The coupling that lets a segment be cut without favoring few spans."""
    key, room = np.uint64(key), 10**6
    one, attempt = span_count(key, room, masked - 1, 10**6, bound)
    other, again = span_count(key, room, masked, 10**6, bound)
    assert attempt == again == 0
    assert one <= other <= one + 1


@settings(max_examples=200)
@given(
    st.lists(st.tuples(sources, keys), min_size=1, max_size=6), st.randoms(use_true_random=False)
)
def test_a_row_does_not_depend_on_the_others(drawn, order):
    assert_alone_as_in_a_batch(SpanCorruption(CONTROL), drawn, 20, order)


@settings(max_examples=LAWS, deadline=None)
@given(sources, spare, keys, settings_of, st.sampled_from([CONTROL.masks, 1, 2]))
def test_rows_are_well_formed_and_restore(windows, spare, key, chosen, masks):
    control = CONTROL.model_copy(update={"masks": masks})
    objective = SpanCorruption(control, chosen)
    row = row_of(objective, windows, spare, key)
    segments = segments_of(objective, [windows], [spare], [key])
    expected = addresses_in(windows)
    length = len(expected) + spare
    assert len(row.tokens) == len(row.loss_weights) == len(row.segment_ids) == length
    assert np.array_equal(restore(row, control), expected)
    used = int(np.count_nonzero(row.segment_ids != PADDING))
    assert (row.segment_ids[used:] == PADDING).all()
    assert (row.tokens[used:] == control.end).all()
    assert (row.loss_weights[used:] == 0).all()
    assert (np.diff(row.segment_ids[:used]) >= 0).all()
    assert row.loss_weights[0] == 0
    kept = 0
    for number, size in enumerate(segments.lengths.tolist()):
        tokens = row.tokens[row.segment_ids == number]
        kept += check_segment(
            tokens, row.loss_weights[row.segment_ids == number], size, control, chosen
        )
        assert len(tokens) == (
            size + segments.ends_document[number] + segments.control_tokens[number]
        )
    assert kept == np.count_nonzero(segments.control_tokens)


@settings(max_examples=200, deadline=None)
@given(sources, keys, settings_of)
def test_every_long_enough_segment_is_corrupted_where_there_is_room(windows, key, chosen):
    row = corrupt(windows, 5000, key, settings=chosen)
    eligible = np.count_nonzero(lengths_of(windows) >= chosen.shortest)
    assert np.count_nonzero(row.tokens == CONTROL.sep) == eligible


def check_segment(tokens, weights, size, control, chosen):
    """Check one document of a row; return 1 if it is corrupted."""
    seps = np.flatnonzero(tokens == control.sep)
    if not len(seps):
        assert not np.isin(tokens, [control.eom, control.mask(1)]).any()
        return 0
    assert len(seps) == 1
    assert size >= chosen.shortest
    body, tail = tokens[: seps[0]], tokens[seps[0] + 1 :]
    lowest = control.mask(control.masks)
    in_body = body[(body >= lowest) & (body <= control.mask(1))]
    spans = np.split(tail, np.flatnonzero(tail == control.eom) + 1)
    assert len(spans.pop()) == 0
    assert in_body.tolist() == [control.mask(i + 1) for i in range(len(spans))]
    assert [int(span[0]) for span in spans] == in_body.tolist()
    hidden = sum(len(span) - 2 for span in spans)
    assert all(len(span) > 2 for span in spans)
    low, high = np.floor(chosen.ratio_low * size), np.ceil(chosen.ratio_high * size)
    assert max(low, 1) <= hidden <= max(high, 1)
    assert (np.diff(np.flatnonzero(body >= lowest)) > 1).all()  # a gap between any two masks
    assert not (tail == control.end).any()
    is_mask = np.flatnonzero(body >= lowest)
    assert (weights[is_mask] == 0).all()
    assert weights.sum() >= len(tokens) - len(is_mask) - 1
    return 1


def spans_of_row(source, key, chosen):
    """The spans of a row of one document, as the numbers of its masks."""
    row = corrupt([source], 5000, key, settings=chosen)
    return np.flatnonzero(row.tokens == CONTROL.eom).tolist()


def test_a_row_has_the_layout_of_the_infill_prompt():
    """One file that ends: the order of the model card's infill prompt."""
    source = addresses_of([40])
    once = Settings(ratio_low=0.2, ratio_high=0.2)
    key = next(key for key in range(99) if len(spans_of_row(source, key, once)) == 1)
    row = corrupt([source], 4, key=key, settings=once)
    (position,) = np.flatnonzero(row.tokens == CONTROL.mask(1))[:1]
    tail = row.tokens.tolist()[row.tokens.tolist().index(CONTROL.sep) :]
    tokens = addresses_in([source]).tolist()
    span = tokens[position : position + len(tail) - 3]
    rest = tokens[position + len(span) :]
    prefix = tokens[:position]
    assert rest[-1] == CONTROL.end
    assert row.tokens.tolist() == [
        *prefix,
        CONTROL.mask(1),
        *rest,
        CONTROL.sep,
        CONTROL.mask(1),
        *span,
        CONTROL.eom,
    ]
    expected = [1.0] * len(row.tokens)
    expected[0] = expected[position] = 0.0
    assert row.loss_weights.tolist() == expected
    assert (row.segment_ids == 0).all()


def test_a_cut_file_has_no_end_token():
    row = corrupt([addresses_of([40], is_open=True)], 40)
    assert CONTROL.end not in row.tokens[: row.used]


def test_the_end_of_an_epoch_cuts_a_document_in_two():
    windows = [addresses_of([5, 30], is_open=True), addresses_of([20, 9], start=1000)]
    assert lengths_of(windows).tolist() == [5, 30, 20, 9]
    row = corrupt(windows, 200)
    assert np.count_nonzero(row.tokens == CONTROL.sep) == 3
    assert np.array_equal(restore(row), addresses_in(windows))


def test_mask_weight_is_the_loss_weight_of_masks_in_the_body():
    row = corrupt([addresses_of([3, 40])], 100, settings=Settings(mask_weight=0.25))
    first = int(np.flatnonzero(row.tokens == CONTROL.mask(1))[0])
    assert row.loss_weights[first] == 0.25


@pytest.mark.parametrize("length", [8, 40, 1200])
def test_a_ratio_of_0_masks_one_token_and_a_ratio_of_1_all_in_one_span(length):
    for key in range(50):
        assert spans_of(length, key, Settings(ratio_high=0.0))[0] == 1
        whole = Settings(ratio_low=1.0, ratio_high=1.0)
        assert spans_of(length, key, whole) == (length, [(0, length)])


def test_bounded_lengths_are_at_most_the_bound():
    chosen = Settings(span_lengths=10, ratio_low=0.5, ratio_high=0.5)
    masked, spans = zip(*(spans_of(1000, key, chosen) for key in range(200)), strict=True)
    assert set(masked) == {500}
    sizes = [size for row in spans for _, size in row]
    assert (min(sizes), max(sizes)) == (1, 10)
    assert np.mean(sizes) == pytest.approx(5.5, rel=0.02)


def test_lengths_that_never_fit_become_as_many_spans_as_fit():
    """Single tokens, more of them than places between them."""
    law = span_count(np.uint64(1), 100, 60, 899, 1)
    assert law == (41, TRIES)
    cuts = np.empty((41, 2), np.int64)
    draw_spans(np.uint64(1), 100, 60, 41, TRIES, 1, cuts)
    assert cuts[:, 1].sum() == 60
    assert (cuts[1:, 0] > cuts[:-1].sum(axis=1)).all()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ratio_low": 0.5, "ratio_high": 0.2}, "ratio_low is 0.5, above ratio_high 0.2"),
        ({"ratio_high": 1.5}, "less than or equal to 1"),
        ({"shortest": 0}, "greater than or equal to 1"),
        ({"span_lengths": 0}, 'must be "remaining" or at least 1, not 0'),
        ({"span_lengths": 3}, "spans of 1 to 3 tokens cannot mask 0.9 of a segment"),
    ],
)
def test_contradictory_settings_are_errors(fields, message):
    with pytest.raises(ValidationError, match=message):
        Settings(**fields)


def test_the_infill_prompt_is_that_of_the_model_card():
    expected = [1, 2, CONTROL.mask(1), 3, CONTROL.end, CONTROL.sep, CONTROL.mask(1)]
    assert SpanCorruption(CONTROL).infill_prompt([1, 2], [3]) == expected
    with pytest.raises(UsageError, match="<sep>, <eom> and masks are not in"):
        SpanCorruption(SpecialTokens(end=0, vocabulary=10))
