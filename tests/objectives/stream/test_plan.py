"""Plans: what they are made of, what their digest covers, how caps become stages."""

import json
import logging
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from manifests.errors import DataError, UsageError
from manifests.mixture.config import Mixture, MixtureGroup
from objectives.stream.epoch_caps import integer_weights
from objectives.stream.order import SCALE
from objectives.stream.plan import Plan, load_plan, make_plan, save_plan
from objectives.stream.sampler import Sampler
from tests.objectives.stages import with_stage

TOKENS = {"the-pile/arxiv": 4_000_000, "the-stack/c": 30_000_000, "the-stack/python": 6_000_000}
NL = {"name": "nl", "components": ["the-pile/*"], "weight": 1.0}
PREFIXES = {"clm": 1, "ul2_s": 1}
"""A mix that adds no control tokens: planning it reads no shards."""
PL = {"name": "pl", "components": ["the-stack/*"], "weight": 1.0}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, made_up_dataset):
    directory = tmp_path_factory.mktemp("plan") / "tokenize-a"
    return made_up_dataset(directory, TOKENS, {"the-stack/c": 50_000})


def plan_of(dataset, *groups, objective="clm", batch=8, length=256, heldout=False, **fields):
    mixture = Mixture(
        datasets=[dataset], group=[MixtureGroup(**g) for g in groups or (NL, PL)], **fields
    )
    return make_plan(mixture, objective, batch=batch, sequence_length=length, heldout=heldout)


def test_a_large_mixture_has_units_of_16_sequences(dataset):
    plan = plan_of(dataset, objective=PREFIXES, batch=33, seed=5, tokens=1_000_000)
    assert (plan.sequences_per_unit, plan.interleave, plan.group) == (16, 64, 1024)
    assert plan.slots == ["clm"] * 8 + ["ul2_s"] * 8
    assert {c.unit_size for c in plan.components} == {16 * 256}
    assert [c.name for c in plan.components] == sorted(TOKENS)
    assert [c.addresses for c in plan.components] == [TOKENS[n] for n in sorted(TOKENS)]
    (stage,) = plan.stages
    assert abs(stage.weights[0] - SCALE // 2) <= 2
    assert plan.positions == -(-1_000_000 // 256)


@pytest.mark.parametrize(
    ("batch", "length", "expected"),
    [(8, 2048, (16, 8)), (128, 2048, (16, 128)), (512, 2048, (4, 512)), (4096, 2048, (4, 512))],
)
def test_small_mixtures_shrink_units_then_interleaving(dataset, caplog, batch, length, expected):
    plan = plan_of(dataset, batch=batch, length=length)
    assert (plan.sequences_per_unit, plan.interleave) == expected
    assert plan.group * length <= sum(TOKENS.values()) // 8
    assert bool(caplog.records) == (expected != (16, batch))
    again = plan_of(dataset, batch=plan.interleave, length=length)
    assert again.digest == plan.digest


def test_a_mixture_below_one_unit_has_the_smallest_units(tmp_path, made_up_dataset, caplog):
    tiny = made_up_dataset(tmp_path / "tokenize-t", {"own/a": 100, "own/b": 300})
    group = {"name": "own", "components": ["own/*"], "weight": 1}
    plan = plan_of(tiny, group, length=2048)
    assert (plan.sequences_per_unit, plan.interleave) == (4, 1)
    assert "has only 400 tokens" in caplog.text
    assert sum(Sampler(plan).counts(100)) == 100 * 2048


def test_a_heldout_plan_has_the_heldout_components(dataset):
    plan = plan_of(dataset, PL, heldout=True)
    (component,) = plan.components
    assert (component.name, component.heldout, component.addresses) == ("the-stack/c", True, 50_000)


def test_the_digest_covers_the_order_and_not_directories(dataset):
    plan = plan_of(dataset, seed=1)
    components = [c.model_copy(update={"dataset": "elsewhere"}) for c in plan.components]
    moved = plan.model_copy(update={"components": components, "positions": 7})
    assert moved.digest == plan.digest
    renamed = [components[0].model_copy(update={"digest": "f" * 64}), *components[1:]]
    others = [
        plan_of(dataset, seed=2),
        plan_of(dataset, seed=1, length=512),
        plan_of(dataset, seed=1, batch=16),
        plan_of(dataset, seed=1, objective=PREFIXES),
        plan_of(dataset, {**NL, "weight": 2.0}, PL, seed=1),
        plan.model_copy(update={"settings": {"span_corruption": {"ratio_high": 0.5}}}),
        plan.model_copy(update={"components": renamed}),
    ]
    assert len({p.digest for p in [plan, *others]}) == len(others) + 1


def test_a_later_stage_changes_only_the_digest_of_stages(dataset):
    plan = plan_of(dataset, objective=PREFIXES)
    staged = with_stage(plan, 1000, [0, SCALE, 0])
    assert [stage.position for stage in staged.stages] == [0, 1024]
    assert staged.digest == plan.digest
    assert staged.stages_digest(1024) == plan.stages_digest(1024)
    assert staged.stages_digest(1025) != plan.stages_digest(1025)
    replaced = with_stage(staged, 1024, [SCALE, 0, 0])
    assert [stage.weights for stage in replaced.stages[1:]] == [[SCALE, 0, 0]]
    with pytest.raises(ValidationError, match="sum to 2"):
        with_stage(plan, 1000, [0, 1, 0])


def test_epoch_caps_become_stages(dataset):
    plan = plan_of(dataset, {**NL, "max_epochs": 2.0}, {**PL, "max_epochs": 1.0}, tokens=40_000_000)
    sampler = Sampler(plan)
    seen = [
        count / component.addresses
        for count, component in zip(sampler.counts(plan.positions), plan.components, strict=True)
    ]
    limits = [2.0, 1.0, 1.0]
    slack = 2 * plan.group * plan.sequence_length
    for share, limit, component in zip(seen, limits, plan.components, strict=True):
        assert share <= limit
        assert share == pytest.approx(limit, abs=slack / component.addresses) or limit == 1.0
    assert len(plan.stages) > 1
    assert plan.stages[-1].weights[0] == 0
    longer = plan_of(
        dataset, {**NL, "max_epochs": 2.0}, {**PL, "max_epochs": 1.0}, tokens=42_000_000
    )
    assert longer.digest == plan.digest
    assert longer.stages[: len(plan.stages)] == plan.stages


def test_a_cap_below_one_unit_excludes_its_component(tmp_path, made_up_dataset, caplog):
    tiny = made_up_dataset(tmp_path / "tokenize-t", {"own/a": 1000, "own/b": 2_000_000})
    capped = {"name": "a", "components": ["own/a"], "weight": 1, "max_epochs": 1}
    other = {"name": "b", "components": ["own/b"], "weight": 1}
    caplog.set_level(logging.WARNING)
    plan = plan_of(tiny, capped, other, tokens=500_000)
    assert "own/a: is left out" in caplog.text
    assert [stage.weights for stage in plan.stages] == [[0, SCALE]]
    with pytest.raises(UsageError, match="less than one unit of every component"):
        plan_of(tiny, capped)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30).filter(lambda x: sum(x) > 1e-3))
def test_integer_weights_sum_to_the_scale_and_keep_positive_shares(shares):
    weights = integer_weights(shares)
    assert sum(weights) == SCALE
    for weight, share in zip(weights, shares, strict=True):
        assert abs(weight - share / sum(shares) * SCALE) <= len(shares) + 1
        assert (weight > 0) == (share > 0)


def test_a_plan_names_the_dummies_that_are_its_task_tokens(small_dataset, small_tokenizer):
    mixture = Mixture(datasets=[small_dataset], group=[MixtureGroup(**NL)])

    def planned(objective, **chosen):
        return make_plan(mixture, objective, batch=1, sequence_length=64, **chosen)

    with pytest.raises(UsageError, match=r"clm, span_corruption need 2 tokens, .* has 0 tokens"):
        planned("codegen2", task_tokens=True)
    parsed = json.loads(small_tokenizer)
    ids = {"<dummy_10>": 7, "<dummy_0>": 9, "<dummy_2>": 8}
    parsed["added_tokens"] += [
        parsed["added_tokens"][-1] | {"content": name, "id": i} for name, i in ids.items()
    ]
    Path(small_dataset, "tokenizer.json").write_text(json.dumps(parsed))
    plan = planned("codegen2", task_tokens=True)
    assert plan.task_tokens == {"clm": 9, "span_corruption": 8}
    assert plan.digest != planned("codegen2").digest
    assert plan.objectives()["span_corruption"].task_token == 8
    fim = {"sentinels": [7, 8, 300], "level": "token"}
    assert planned("fim", task_tokens=True, settings={"fim": fim}).task_tokens == {"fim": 9}
    fim = {"sentinels": [7, 9, 300], "level": "token"}
    assert planned("fim", task_tokens=True, settings={"fim": fim}).task_tokens == {"fim": 8}


def test_prefix_attention_is_of_all_objectives_of_a_plan_but_not_of_ul2(dataset):
    mixture = Mixture(datasets=[dataset], group=[MixtureGroup(**PL)])

    def planned(objective, attention):
        return make_plan(mixture, objective, batch=8, sequence_length=256, attention=attention)

    plan = planned("clm", "prefix")
    assert plan.objectives()["clm"].has_prefix
    assert plan.digest != planned("clm", "causal").digest
    with pytest.raises(UsageError, match=r"objective: ul2_s: has a prefix of its own, so"):
        planned(PREFIXES, "prefix")


def test_a_saved_plan_loads_as_it_was(dataset, tmp_path):
    plan = plan_of(dataset, objective=PREFIXES)
    path = str(tmp_path / "plan.json")
    save_plan(plan, path)
    assert load_plan(path) == plan


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 9}, "digest: the file says"),
        ({"format": 1}, "plan.json: format: Input should be 3"),
        ({"interleave": 3}, "interleave is 3, not a power of two"),
        ({"extra": 1}, "plan.json: extra: Extra inputs"),
    ],
)
def test_a_changed_plan_file_is_an_error(dataset, tmp_path, change, message):
    path = tmp_path / "plan.json"
    save_plan(plan_of(dataset), str(path))
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=message):
        load_plan(str(path))


@pytest.mark.parametrize("text", ["", "[]", "{}", "not JSON", "\xff"])
def test_a_file_without_a_plan_is_an_error(tmp_path, text):
    path = Path(tmp_path / "plan.json")
    path.write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match=r"plan.json: is not a plan"):
        load_plan(str(path))
    with pytest.raises(DataError, match="there is no such file"):
        load_plan(str(tmp_path / "none.json"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stages": []}, "at least 1"),
        ({"components": []}, "at least 1"),
        ({"sequence_length": 4}, "greater than or equal to 16"),
        ({"slots": []}, "at least 1"),
        ({"slots": ["clm"]}, "the units of the-pile/arxiv are too large"),
    ],
)
def test_inconsistent_plans_are_errors(dataset, change, message):
    with pytest.raises(ValidationError, match=message):
        Plan.model_validate({**dict(plan_of(dataset)), **change})


def test_a_batch_of_no_rows_is_an_error(dataset):
    with pytest.raises(UsageError, match="batch: must be at least 1"):
        plan_of(dataset, batch=0)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 200_000), st.integers(0, 10**12))
def test_counts_add_up_at_any_position(dataset, near, far):
    plan = plan_of(dataset, objective=PREFIXES)
    sampler = Sampler(plan)
    for position in (near, far):
        assert sum(sampler.counts(position)) == 256 * position
