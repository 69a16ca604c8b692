"""Any objective, and any mixture of them, in the stream."""

import numpy as np
import pytest

from manifests.errors import UsageError
from objectives.stream.stream import Stream
from objectives.tasks.batch import FORGOTTEN, PADDING
from objectives.tasks.registry import MIXES, OBJECTIVES

FIM = {"fim": {"level": "token", "sentinels": [50295, 50296, 50297]}}
EVERYTHING = dict.fromkeys(OBJECTIVES, 1.0)


def stream_of(memory, components, objective, length=256):
    settings = FIM if objective == "fim" or objective is EVERYTHING else {}
    plan = memory.plan(components, objective=objective, length=length, settings=settings)
    return Stream(plan, {c.name: c for c in components})


@pytest.mark.parametrize("objective", [*OBJECTIVES, *MIXES])
def test_a_sequence_has_all_its_positions_and_is_the_same_alone(memory, three, objective):
    stream = stream_of(memory, three, objective)
    batch = stream.batch(40, 24)
    assert batch.tokens.shape == (24, 256)
    assert ((batch.tokens >= 0) & (batch.tokens < 51200)).all()
    assert (batch.loss_weights[:, 0] == 0).all()
    assert (batch.loss_weights[batch.segment_ids < 0] == 0).all()
    assert not (batch.segment_ids == FORGOTTEN).any()
    names = np.array(list(OBJECTIVES))[batch.objective]
    is_prefixed = np.array([stream.objectives[name].has_prefix for name in names])
    assert not batch.prefix[~is_prefixed].any()
    for row in range(24):
        assert not batch.loss_weights[row, : batch.prefix[row]].any()
        assert memory.equal(stream.batch(40 + row, 1), batch.part(row, row + 1))


def test_all_objectives_share_a_plan(memory, three):
    stream = stream_of(memory, three, EVERYTHING)
    batch = stream.batch(0, 4 * stream.plan.group)
    item = 4 * stream.plan.group // len(OBJECTIVES)
    assert np.bincount(batch.objective).tolist() == [item] * len(OBJECTIVES)


def test_an_epoch_has_every_address_once(memory):
    """Whatever an objective adds, the addresses that sequences take are the closed form's."""
    component = memory.component("the-stack/c", [30] * 400)
    plan = memory.plan([component], objective=EVERYTHING, length=256, settings=FIM)
    stream = Stream(plan, {component.name: component})
    per_unit = stream.counts(plan.group)["the-stack/c"]["addresses"]
    assert per_unit == plan.components[0].unit_size * plan.interleave
    batch = stream.batch(0, plan.group)
    restored = 0
    for row, name in enumerate(np.array(list(OBJECTIVES))[batch.objective]):
        objective = stream.objectives[str(name)]
        restored += len(objective.restore(batch.tokens[row], batch.segment_ids[row]))
    assert restored == per_unit
    assert (batch.segment_ids == PADDING).mean() < 0.03
    assert batch.thinned.sum() <= 0.02 * batch.eligible.sum()


def test_a_missing_control_token_or_tokenizer_is_named(memory, three):
    plan = memory.plan(three, objective="fim")
    components = {c.name: c for c in three}
    with pytest.raises(
        UsageError, match="fim: <fim_prefix>, <fim_suffix> and <fim_middle> are not"
    ):
        Stream(plan, components)
    settings = {"fim": {"sentinels": [50295, 50296, 50297]}}
    plan = memory.plan(three, objective="fim", settings=settings)
    with pytest.raises(UsageError, match=r"fim: needs the tokenizer.json of the datasets"):
        Stream(plan, components)


@pytest.mark.parametrize("objective", ["span_corruption", "causal_masking", "fim"])
def test_files_shorter_than_their_control_tokens_are_copied_unless_the_settings_say_otherwise(
    memory, objective
):
    component = memory.component("the-stack/c", [1] * 4000)
    for shortest in (8, 1):
        settings = {objective: {**FIM.get(objective, {}), "shortest": shortest}}
        plan = memory.plan([component], objective=objective, length=64, settings=settings)
        stream = Stream(plan, {component.name: component})
        batch = stream.batch(0, plan.group)
        control = np.isin(batch.tokens, stream.objectives[objective].mask_ids).any(axis=1)
        changed = batch.eligible - batch.thinned
        assert (changed > 0).tolist() == control.tolist()
        if shortest == 8:
            assert not batch.eligible.any()
        else:
            assert batch.eligible.sum() > 4 * len(batch.tokens)
            assert batch.thinned.sum() < 0.01 * batch.eligible.sum()
