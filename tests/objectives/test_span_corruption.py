"""The laws of file-level span corruption."""

from collections import Counter
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from manifests.control import Control
from manifests.splitmix import Draws
from manifests.window import Window
from objectives.batch import PADDING, Addresses, Batch, Row
from objectives.span_corruption import (
    Settings,
    _composition,
    _cuts,
    _deal,
    _spans,
    allowances,
    fill,
    restore,
)

CONTROL = Control(end=50256, sep=50299, eom=50300, mask_1=51199, masks=899, vocabulary=51200)
DEFAULTS = Settings()
keys = st.integers(0, 2**64 - 1)


def addresses_of(lengths, is_open=False, start=0):
    """Documents of these lengths, numbered tokens; the last one cut short if `is_open`."""
    tokens: list[int] = []
    ends: list[int] = []
    for length in lengths:
        tokens += [(start + len(tokens) + i) % 50_000 for i in range(length)]
        ends.append(len(tokens))
        tokens.append(CONTROL.end)
    if is_open:
        tokens.pop()
        ends.pop()
    return Window(np.array(tokens, np.int64), np.array(ends, np.int64), 0, False)


def corrupt(source, allowance, key=0, control=CONTROL, settings=DEFAULTS):
    batch = Batch.empty(1, len(source.tokens) + allowance)
    row = Row(batch.tokens[0], batch.weights[0], batch.documents[0])
    # What was there before must not shine through.
    row.tokens[:], row.weights[:], row.documents[:] = -7, np.nan, 999
    fill(source, row, key, control, settings)
    return row


sources = st.builds(
    lambda parts: Addresses.of([w for w in parts if len(w.tokens)]),
    st.lists(
        st.builds(
            addresses_of, st.lists(st.integers(0, 90), min_size=1, max_size=12), st.booleans()
        ),
        min_size=1,
        max_size=3,
    ).filter(lambda parts: any(len(w.tokens) for w in parts)),
)
allowed = st.integers(0, 70)
settings_of = st.builds(
    lambda low, high, shortest: Settings(
        ratio_low=min(low, high), ratio_high=max(low, high), shortest=shortest
    ),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(1, 12),
)


@settings(max_examples=1000, deadline=None)
@given(sources, allowed, keys, settings_of, st.sampled_from([CONTROL.masks, 1, 2]))
def test_the_laws(source, allowance, key, chosen, masks):
    control = CONTROL.model_copy(update={"masks": masks})
    row = corrupt(source, allowance, key, control, chosen)
    length = len(source.tokens) + allowance
    assert len(row.tokens) == len(row.weights) == len(row.documents) == length
    assert np.array_equal(restore(row.tokens, row.documents, control), source.tokens)
    used = int(np.count_nonzero(row.documents != PADDING))
    assert (row.documents[used:] == PADDING).all()
    assert (row.tokens[used:] == control.end).all()
    assert (row.weights[used:] == 0).all()
    assert (np.diff(row.documents[:used]) >= 0).all()
    assert row.weights[0] == 0
    kept = 0
    for number, size in enumerate(source.lengths.tolist()):
        mine = row.tokens[row.documents == number]
        kept += check_segment(mine, row.weights[row.documents == number], size, control, chosen)
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


def test_the_format_of_the_release():
    """One file that ends: the order of the model card's infill prompt."""
    source = Addresses.of([addresses_of([40])])
    row = corrupt(source, 4, key=3)
    (position,) = np.flatnonzero(row.tokens == CONTROL.mask(1))[:1]
    tail = row.tokens.tolist()[row.tokens.tolist().index(CONTROL.sep) :]
    span = source.tokens[position : position + len(tail) - 3].tolist()
    rest = source.tokens[position + len(span) :].tolist()
    prefix = source.tokens[:position].tolist()
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
    assert row.weights.tolist() == expected
    assert (row.documents == 0).all()


def test_a_cut_file_has_no_end_token():
    row = corrupt(Addresses.of([addresses_of([40], is_open=True)]), 4)
    assert CONTROL.end not in row.tokens


def test_a_seam_between_epochs_cuts_a_file_in_two():
    windows = [addresses_of([5, 30], is_open=True), addresses_of([20, 9], start=1000)]
    source = Addresses.of(windows)
    assert source.starts.tolist() == [0, 6, 36, 57]
    assert source.lengths.tolist() == [5, 30, 20, 9]
    assert source.closed.tolist() == [True, False, True, True]
    row = corrupt(source, 16)
    assert np.count_nonzero(row.tokens == CONTROL.sep) == 3
    assert np.array_equal(restore(row.tokens, row.documents, CONTROL), source.tokens)


def test_the_loss_on_masks_in_the_body_is_a_setting():
    source = Addresses.of([addresses_of([3, 40])])
    row = corrupt(source, 10, settings=Settings(mask_weight=0.25))
    first = int(np.flatnonzero(row.tokens == CONTROL.mask(1))[0])
    assert row.weights[first] == 0.25


def test_the_longest_are_kept_the_first_among_equals():
    row = corrupt(Addresses.of([addresses_of([20, 9, 50, 20, 20])]), 12)
    assert np.unique(row.documents[row.tokens == CONTROL.sep]).tolist() == [0, 2, 3]


@pytest.mark.parametrize(
    ("allowance", "kept", "spans"), [(8, 1, 2), (64, 1, 21), (64, 16, 16), (12, 3, 3), (24, 2, 7)]
)
def test_an_allowance_is_spent(allowance, kept, spans):
    lengths = [2000 // kept] * kept
    found = _spans(lengths, allowance, 899, Draws(1), Settings(ratio_low=0.4, ratio_high=0.6))
    assert sum(len(cuts) for cuts in found) == spans


@given(
    st.lists(st.tuples(st.integers(1, 500), st.integers(1, 60)), min_size=1, max_size=16),
    st.integers(0, 40),
)
def test_spans_are_dealt_in_proportion_and_within_limits(segments, extra):
    lengths, limits = zip(*segments, strict=True)
    counts = _deal(extra, list(lengths), list(limits))
    assert all(1 <= count <= limit for count, limit in zip(counts, limits, strict=True))
    assert sum(counts) == min(extra + len(counts), sum(limits))
    if all(limit > extra + 1 for limit in limits):
        for count, length in zip(counts, lengths, strict=True):
            share = extra * length / sum(lengths)
            assert abs(count - 1 - share) <= 1


@given(st.integers(1, 300), st.data())
def test_cuts_leave_gaps(length, data):
    masked = data.draw(st.integers(1, length))
    count = data.draw(st.integers(1, min(masked, length - masked + 1)))
    cuts = _cuts(length, masked, count, Draws(data.draw(keys)))
    assert sum(size for _, size in cuts) == masked
    assert all(size >= 1 for _, size in cuts)
    assert cuts[0][0] >= 0
    assert cuts[-1][0] + cuts[-1][1] <= length
    for (start, size), (after, _) in pairwise(cuts):
        assert after > start + size


def chi_square(seen, cases, total):
    expected = total / cases
    return sum((count - expected) ** 2 / expected for count in seen.values()) + expected * (
        cases - len(seen)
    )


def test_compositions_are_uniform():
    draws = Draws(11)
    seen = Counter(tuple(_composition(7, 3, draws)) for _ in range(15_000))
    assert all(sum(parts) == 7 and min(parts) > 0 for parts in seen)
    assert chi_square(seen, 15, 15_000) < 36.1  # 99.9 % of 14 degrees of freedom


def test_places_of_spans_are_uniform():
    """8 tokens, 4 of them masked in 2 spans: all 3 x 10 ways are equally likely."""
    ways = {
        bits
        for bits in combinations(range(8), 4)
        if sum(1 for i, b in enumerate(bits) if i == 0 or b > bits[i - 1] + 1) == 2
    }
    draws = Draws(12)
    seen: Counter[tuple[int, ...]] = Counter()
    for _ in range(30_000):
        cuts = _cuts(8, 4, 2, draws)
        seen[tuple(at for start, size in cuts for at in range(start, start + size))] += 1
    assert set(seen) == ways
    assert len(ways) == 30
    assert chi_square(seen, 30, 30_000) < 58.3  # 99.9 % of 29 degrees of freedom


def test_ratios_are_uniform():
    hidden: Counter[int] = Counter()
    for key in range(20_000):
        (cuts,) = _spans([90], 4, 899, Draws(key * 7919), Settings())
        hidden[(sum(size for _, size in cuts) - 1) // 9] += 1
    # r * 90 is uniform in [0, 81]; rounding gives 1 a share of 1.5/81 and 81 one of 0.5/81.
    shares = [9.5 / 81, *[9 / 81] * 7, 8.5 / 81]
    expected = [share * 20_000 for share in shares]
    assert sorted(hidden) == list(range(9))
    assert sum((hidden[i] - e) ** 2 / e for i, e in enumerate(expected)) < 26.1  # 99.9 %, 8


def test_default_allowances():
    assert allowances(8, 2048) == [8, 8, 12, 16, 24, 32, 48, 64]
    assert allowances(4, 2048) == [8, 16, 32, 64]
    assert allowances(2, 256) == [4, 8]
    assert allowances(16, 512) == [4, 4, 4, 4, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 16, 16]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ratio_low": 0.5, "ratio_high": 0.2}, "ratio_low is 0.5, above ratio_high 0.2"),
        ({"ratio_high": 1.5}, "less than or equal to 1"),
        ({"shortest": 0}, "greater than or equal to 1"),
    ],
)
def test_settings_that_contradict_each_other(fields, message):
    with pytest.raises(ValidationError, match=message):
        Settings(**fields)
