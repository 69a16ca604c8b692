from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import UsageError
from objectives.tasks.registry import (
    MAX_SEQUENCES,
    MIXES,
    OBJECTIVES,
    common_denominator,
    make_objectives,
    make_slots,
    shares_of,
)
from tests.objectives.rows import CONTROL


def test_codegen2_is_half_and_half():
    shares = shares_of("codegen2")
    assert common_denominator(shares) == 2
    assert make_slots(shares, 4) == ["clm", "clm", "span_corruption", "span_corruption"]


@pytest.mark.parametrize(("mix", "expected"), [("ul2", 7), ("ul2_simplified", 12)])
def test_mixes_have_their_shares_exactly(mix, expected):
    shares = shares_of(mix)
    assert common_denominator(shares) == expected
    counts = Counter(make_slots(shares, expected))
    total = sum(MIXES[mix].values())
    assert counts == {name: round(share / total * expected) for name, share in MIXES[mix].items()}


def test_the_numbering_of_objectives_is_a_format():
    assert list(OBJECTIVES)[:2] == ["clm", "span_corruption"]


@given(st.integers(1, MAX_SEQUENCES - 1), st.integers(1, MAX_SEQUENCES))
def test_shares_that_a_unit_has_are_exact(clm, count):
    if clm >= count:
        return
    shares = shares_of({"clm": clm / count, "span_corruption": 1 - clm / count})
    step = common_denominator(shares)
    assert count % step == 0
    slots = make_slots(shares, 2 * step)
    assert len(slots) == 2 * step
    assert slots.count("clm") * count == clm * 2 * step


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ("span_coruption", "there is no 'span_coruption'; did you mean 'span_corruption'?"),
        ("zzz", "there are: clm, span_corruption, "),
        ({"clm": 0.0}, "the share of clm must be above 0"),
        ({"clm": float("nan")}, "the share of clm must be above 0"),
        ({}, "name at least one"),
    ],
)
def test_wrong_shares_are_errors(objective, message):
    with pytest.raises(UsageError, match=message):
        shares_of(objective)


@pytest.mark.parametrize("shares", [{"clm": 0.33, "fim": 0.67}, {"clm": 0.999, "fim": 0.001}])
def test_shares_that_no_unit_has_are_an_error_that_names_the_nearest(shares):
    nearest = {name: max(1, round(64 * share)) for name, share in shares.items()}
    expected = (
        f"no unit of up to 64 sequences has the shares clm {shares['clm']}, fim {shares['fim']}; "
        f"the nearest shares of 64 sequences are clm {nearest['clm']}/64, fim {nearest['fim']}/64"
    )
    with pytest.raises(UsageError, match=expected):
        common_denominator(shares_of(shares))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fim": {"rate": 0.9}}, "settings: 'fim' is not an objective of this mix; "),
        ({"span_coruption": {}}, "settings: 'span_coruption' is not .*mean 'span_corruption'"),
    ],
)
def test_settings_of_objectives_that_the_mix_lacks_are_errors(settings, message):
    with pytest.raises(UsageError, match=message):
        make_objectives(["clm", "span_corruption"], CONTROL, settings)
