import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import UsageError
from objectives.tasks.registry import OBJECTIVES, _apportion, make_slots


def test_codegen2_is_half_and_half():
    slots = make_slots("codegen2", 16, 2048)
    assert [(s.objective, s.reserved_tokens) for s in slots] == [("clm", 0)] * 8 + [
        ("span_corruption", h) for h in (8, 8, 12, 16, 24, 32, 48, 64)
    ]


def test_the_numbering_of_objectives_is_a_format():
    assert list(OBJECTIVES)[:2] == ["clm", "span_corruption"]


@given(st.floats(0.01, 100), st.floats(0.01, 100), st.integers(2, 64))
def test_shares_are_met_to_the_nearest_sequence(clm, corrupted, sequences):
    slots = make_slots({"clm": clm, "span_corruption": corrupted}, sequences, 512)
    count = sum(slot.objective == "clm" for slot in slots)
    assert len(slots) == sequences
    assert 1 <= count <= sequences - 1
    exact = min(max(clm / (clm + corrupted) * sequences, 1), sequences - 1)
    assert abs(count - exact) < 1


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
        make_slots(objective, 16, 64)


def test_more_objectives_than_sequences_are_an_error():
    with pytest.raises(UsageError, match="2 objectives do not fit a unit of 1 sequences"):
        make_slots("codegen2", 1, 64)


def test_every_objective_gets_a_sequence_where_there_are_few():
    shares = {"rare": 0.01, "rarer": 0.001, "common": 0.989}
    assert _apportion(shares, 4) == {"rare": 1, "rarer": 1, "common": 2}
    assert _apportion(shares, 3) == {"rare": 1, "rarer": 1, "common": 1}
