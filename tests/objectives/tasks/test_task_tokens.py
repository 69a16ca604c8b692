"""Task tokens: the same row behind a token that names the task."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.errors import UsageError
from objectives.tasks.objective import TokenKind
from objectives.tasks.registry import (
    MIXES,
    OBJECTIVES,
    choose_task_tokens,
    make_objective,
    plain_objective,
)
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
from tests.objectives.windows import addresses_in

TASK = 50298
FIM = {"level": "token", "sentinels": [50295, 50296, 50297], "rate": 0.9}
names = st.sampled_from(list(OBJECTIVES))


def made(name, task_token=TASK):
    return make_objective(name, CONTROL, FIM if name == "fim" else {}, task_token=task_token)


@settings(max_examples=LAWS)
@given(names, sources, st.integers(3, 60), keys)
def test_a_row_is_that_without_a_task_token_behind_one(name, windows, spare, key):
    objective = made(name)
    plain = row_of(made(name, None), windows, spare, key)
    row = row_of(objective, windows, spare + 1, key)
    assert row.tokens.tolist() == [TASK, *plain.tokens.tolist()]
    assert row.segment_ids.tolist() == [0, *plain.segment_ids.tolist()]
    assert_padded(row)
    if objective.prefix_ratios is None:
        assert row.loss_weights.tolist() == [0, *plain.loss_weights.tolist()]
        assert row.prefix == plain.prefix + (plain.prefix > 0)
    assert (row.loss_weights[: row.prefix] == 0).all()
    kinds = objective.token_kinds(row.tokens, row.segment_ids)
    assert np.flatnonzero(kinds == TokenKind.TASK).tolist() == [0]
    if name != "fim":
        restored = objective.restore(row.tokens, row.segment_ids)
        assert np.array_equal(restored, addresses_in(windows))


@given(
    names,
    st.lists(st.tuples(sources, keys), min_size=1, max_size=6),
    st.randoms(use_true_random=False),
)
def test_a_row_does_not_depend_on_the_others(name, drawn, order):
    assert_alone_as_in_a_batch(made(name), drawn, 12, order)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_task_token_takes_a_position_of_each_sequence(name):
    law = made(name).law_with_task
    assert law.sequence_tokens == made(name, None).law_with_task.sequence_tokens + 1
    assert row_of(made(name), [addresses_of([40])], 1, 3).used <= 42


def test_objectives_of_a_task_share_its_token():
    assert choose_task_tokens(["span_corruption", "clm"], [7, 8, 9]) == {
        "clm": 7,
        "span_corruption": 8,
    }
    tokens = choose_task_tokens(MIXES["ul2"], [1, 2, 3])
    assert tokens == {
        **dict.fromkeys(["ul2_r3", "ul2_r8"], 1),
        **dict.fromkeys(["ul2_x3", "ul2_x8", "ul2_x64", "ul2_x64_half"], 2),
        "ul2_s": 3,
    }
    with pytest.raises(UsageError, match=r"ul2_r, ul2_x, ul2_s need 3 tokens, .* has 2 tokens"):
        choose_task_tokens(MIXES["ul2"], [1, 2])


def test_prompts_begin_with_the_task_token():
    assert made("span_corruption").infill_prompt([1], [2])[:2] == [TASK, 1]
    assert made("fim").infill_prompt([1], [2]) == [TASK, 50295, 1, 50296, 2, 50297]
    assert made("clm").infill_prompt([1], [2]) is None


def test_a_text_is_continued_by_the_first_objective_that_fills_no_gaps():
    def first(*chosen):
        return plain_objective({name: made(name) for name in chosen}).name

    assert first("clm", "span_corruption") == "clm"
    assert first("ul2_r3", "ul2_s") == "ul2_s"
    assert first("fim", "ul2_r3") == "fim"
