"""The laws of file-level span corruption."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from manifests.errors import UsageError
from manifests.special_tokens import SpecialTokens
from objectives.tasks.batch import FORGOTTEN, PADDING
from objectives.tasks.kernels import FIXED
from objectives.tasks.span_corruption import (
    Settings,
    SpanCorruption,
    _draw_spans,
    _Settings,
)
from tests.objectives import plain_spans
from tests.objectives.rows import (
    CONTROL,
    LAWS,
    addresses_of,
    assert_alone_as_in_a_batch,
    keys,
    row_of,
    sources,
)
from tests.objectives.windows import addresses_in, segments_of

DEFAULTS = Settings()


def corrupt(windows, allowance, key=0, control=CONTROL, settings=DEFAULTS, length=None):
    return row_of(SpanCorruption(control, settings), windows, allowance, key, length)


def restore(row, control=CONTROL):
    return SpanCorruption(control).restore(row.tokens, row.segment_ids)


def spans_of(lengths, allowance, key, masks=CONTROL.masks, chosen=DEFAULTS):
    """What the compiled function draws, in the form of plain_spans.spans."""
    segments = segments_of([[addresses_of([n], True) for n in lengths]], [allowance], [key])
    low, high = (round(r * (1 << FIXED)) for r in (chosen.ratio_low, chosen.ratio_high))
    cuts = np.empty((allowance // 3 + 1, 2), np.int64)
    picked = _Settings(low, high, chosen.shortest, chosen.mask_weight)
    kept, counts = _draw_spans(segments, 0, masks, picked, cuts)
    parts = np.split(cuts, np.cumsum(counts))
    return {
        k: list(map(tuple, part.tolist())) for k, part in zip(kept.tolist(), parts, strict=False)
    }


allowed = st.integers(0, 70)
settings_of = st.builds(
    lambda low, high, shortest: Settings(
        ratio_low=min(low, high), ratio_high=max(low, high), shortest=shortest
    ),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(1, 12),
)


@settings(max_examples=LAWS, deadline=None)
@given(
    st.lists(st.integers(1, 300), max_size=20),
    allowed,
    keys,
    settings_of,
    st.sampled_from([899, 2]),
)
def test_spans_are_drawn_as_in_plain_python(lengths, allowance, key, chosen, masks):
    expected = plain_spans.spans(lengths, allowance, masks, key, chosen)
    assert spans_of(lengths, allowance, key, masks, chosen) == expected


@settings(max_examples=200)
@given(
    st.lists(st.tuples(sources, keys), min_size=1, max_size=6), st.randoms(use_true_random=False)
)
def test_a_row_does_not_depend_on_the_others(drawn, order):
    assert_alone_as_in_a_batch(SpanCorruption(CONTROL), drawn, 20, order)


def test_forgotten_positions_have_a_segment_id_of_their_own():
    whole = corrupt([addresses_of([40])], 4, length=45)
    closed_up = corrupt([addresses_of([40])], 4, length=60)
    assert np.array_equal(closed_up.tokens[:45], whole.tokens)
    assert (closed_up.segment_ids[45:] == FORGOTTEN).all()
    assert (closed_up.loss_weights[45:] == 0).all()
    spare = corrupt([addresses_of([5])], 4, length=16)
    assert spare.segment_ids.tolist() == [0] * 6 + [PADDING] * 4 + [FORGOTTEN] * 6


@settings(max_examples=LAWS, deadline=None)
@given(sources, allowed, keys, settings_of, st.sampled_from([CONTROL.masks, 1, 2]))
def test_rows_are_well_formed_and_restore(windows, allowance, key, chosen, masks):
    control = CONTROL.model_copy(update={"masks": masks})
    row = corrupt(windows, allowance, key, control, chosen)
    source = segments_of([windows], [allowance], [key])
    expected = addresses_in(windows)
    length = len(expected) + allowance
    assert len(row.tokens) == len(row.loss_weights) == len(row.segment_ids) == length
    assert np.array_equal(restore(row, control), expected)
    used = int(np.count_nonzero(row.segment_ids != PADDING))
    assert (row.segment_ids[used:] == PADDING).all()
    assert (row.tokens[used:] == control.end).all()
    assert (row.loss_weights[used:] == 0).all()
    assert (np.diff(row.segment_ids[:used]) >= 0).all()
    assert row.loss_weights[0] == 0
    kept = 0
    for number, size in enumerate(source.lengths.tolist()):
        mine = row.tokens[row.segment_ids == number]
        kept += check_segment(
            mine, row.loss_weights[row.segment_ids == number], size, control, chosen
        )
    eligible = int(np.count_nonzero(source.lengths >= chosen.shortest))
    assert kept == min(eligible, allowance // 4)


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


def test_a_row_has_the_layout_of_the_infill_prompt():
    """One file that ends: the order of the model card's infill prompt."""
    source = addresses_of([40])
    row = corrupt([source], 4, key=3)
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
    row = corrupt([addresses_of([40], is_open=True)], 4)
    assert CONTROL.end not in row.tokens


def test_the_end_of_an_epoch_cuts_a_document_in_two():
    windows = [addresses_of([5, 30], is_open=True), addresses_of([20, 9], start=1000)]
    source = segments_of([windows], [16], [0])
    assert source.starts.tolist() == [0, 5, 35, 55]
    assert source.lengths.tolist() == [5, 30, 20, 9]
    assert source.ends_document.tolist() == [True, False, True, True]
    row = corrupt(windows, 16)
    assert np.count_nonzero(row.tokens == CONTROL.sep) == 3
    assert np.array_equal(restore(row), addresses_in(windows))


def test_mask_weight_is_the_loss_weight_of_masks_in_the_body():
    row = corrupt([addresses_of([3, 40])], 10, settings=Settings(mask_weight=0.25))
    first = int(np.flatnonzero(row.tokens == CONTROL.mask(1))[0])
    assert row.loss_weights[first] == 0.25


def test_the_longest_segments_are_corrupted_the_first_among_equals():
    row = corrupt([addresses_of([20, 9, 50, 20, 20])], 12)
    assert np.unique(row.segment_ids[row.tokens == CONTROL.sep]).tolist() == [0, 2, 3]


@pytest.mark.parametrize(
    ("allowance", "kept", "spans"), [(8, 1, 2), (64, 1, 21), (64, 16, 16), (12, 3, 3), (24, 2, 7)]
)
def test_all_reserved_tokens_are_used(allowance, kept, spans):
    lengths = [2000 // kept] * kept
    found = spans_of(lengths, allowance, 1, chosen=Settings(ratio_low=0.4, ratio_high=0.6))
    assert sum(len(cuts) for cuts in found.values()) == spans


def test_masked_shares_are_uniform():
    hidden: Counter[int] = Counter()
    for key in range(20_000):
        (cuts,) = plain_spans.spans([90], 4, 899, key * 7919, DEFAULTS).values()
        hidden[(sum(size for _, size in cuts) - 1) // 9] += 1
    # r * 90 is uniform in [0, 81]; rounding gives 1 a share of 1.5/81 and 81 one of 0.5/81.
    shares = [9.5 / 81, *[9 / 81] * 7, 8.5 / 81]
    expected = [share * 20_000 for share in shares]
    assert sorted(hidden) == list(range(9))
    assert sum((hidden[i] - e) ** 2 / e for i, e in enumerate(expected)) < 26.1  # 99.9 %, 8


def test_reserved_tokens_are_scaled_to_the_length():
    reserved_tokens = SpanCorruption.reserved_tokens
    assert reserved_tokens(8, 2048) == [8, 8, 12, 16, 24, 32, 48, 64]
    assert reserved_tokens(4, 2048) == [8, 16, 32, 64]
    assert reserved_tokens(2, 256) == [4, 8]
    assert reserved_tokens(16, 512) == [4, 4, 4, 4, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 16, 16]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ratio_low": 0.5, "ratio_high": 0.2}, "ratio_low is 0.5, above ratio_high 0.2"),
        ({"ratio_high": 1.5}, "less than or equal to 1"),
        ({"shortest": 0}, "greater than or equal to 1"),
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
