"""MIX.toml: shares, budgets, caps and faults."""

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import UsageError
from manifests.io import files
from manifests.mixture.config import Mixture, MixtureGroup, load_mixture, save_mixture
from manifests.mixture.mixture import make_mixture, mixture_table
from manifests.mixture.resolve import Member, Resolved, resolve

TOKENS = {
    "the-stack/c": 600_000,
    "the-stack/python": 200_000,
    "the-pile/arxiv": 100_000,
    "the-pile/wikipedia-en": 100_000,
}


@pytest.fixture
def dataset(tmp_path, made_up_dataset):
    held = {"the-stack/c": 1000, "the-pile/arxiv": 500}
    return made_up_dataset(tmp_path / "tokenize-a", TOKENS, held)


def mixture_of(dataset, *groups, **fields):
    return Mixture(datasets=[dataset], group=[MixtureGroup(**group) for group in groups], **fields)


PL = {"name": "pl", "components": ["the-stack/*"], "weight": 1.0}
NL = {"name": "nl", "components": ["the-pile/*"], "weight": 1.0}


def by_component(mixture):
    return {row["component"]: row for row in mixture_table(mixture)}


def test_weights_are_shares_of_tokens_and_a_group_divides_by_size(dataset):
    rows = by_component(mixture_of(dataset, PL, NL))
    assert rows["the-stack/c"]["requested_share"] == pytest.approx(0.375)
    assert rows["the-stack/python"]["requested_share"] == pytest.approx(0.125)
    assert rows["the-pile/arxiv"]["requested_share"] == pytest.approx(0.25)
    assert rows["the-pile/arxiv"]["epochs"] == pytest.approx(2.5)
    assert rows["the-stack/c"]["epochs"] == pytest.approx(0.625)
    assert sum(row["share"] for row in rows.values()) == pytest.approx(1)


def test_the_budget_is_in_tokens_or_in_epochs(dataset):
    assert resolve(mixture_of(dataset, PL, NL)).budget == 1_000_000
    assert resolve(mixture_of(dataset, PL, NL, epochs=2.5)).budget == 2_500_000
    assert resolve(mixture_of(dataset, PL, NL, tokens=123_456)).budget == 123_456
    with pytest.raises(UsageError, match="tokens or in epochs, not both"):
        resolve(mixture_of(dataset, PL, NL, tokens=1, epochs=1))


def test_groups_by_epochs_add_up_to_the_budget(dataset):
    mixture = mixture_of(
        dataset,
        {**PL, "weight": None, "epochs": 1.5},
        {**NL, "weight": None, "epochs": 3},
    )
    assert resolve(mixture).budget == 1_800_000
    assert {r["component"]: r["epochs"] for r in mixture_table(mixture)} == pytest.approx(
        {n: 1.5 if n.startswith("the-stack") else 3.0 for n in TOKENS}
    )
    with pytest.raises(UsageError, match="every group has epochs"):
        resolve(mixture.model_copy(update={"tokens": 5}))


def test_weights_divide_what_epochs_leave(dataset):
    mixture = mixture_of(dataset, {**PL, "weight": None, "epochs": 1}, NL, tokens=1_000_000)
    rows = by_component(mixture)
    assert rows["the-stack/c"]["epochs"] == pytest.approx(1)
    assert rows["the-pile/arxiv"]["requested_share"] == pytest.approx(0.1)
    with pytest.raises(UsageError, match="use the whole budget"):
        resolve(mixture.model_copy(update={"tokens": 700_000}))


def test_inner_epochs_weigh_inside_the_group(dataset):
    rows = by_component(
        mixture_of(dataset, PL, {**NL, "inner_epochs": {"the-pile/wikipedia-en": 3.0}})
    )
    assert rows["the-pile/wikipedia-en"]["requested_share"] == pytest.approx(0.375)
    assert rows["the-pile/arxiv"]["requested_share"] == pytest.approx(0.125)


def test_a_component_leaves_at_its_cap_and_the_others_take_its_share(dataset):
    rows = by_component(mixture_of(dataset, PL, {**NL, "max_epochs": 1.0}))
    assert rows["the-pile/arxiv"]["epochs"] == pytest.approx(1)
    assert rows["the-pile/arxiv"]["requested_share"] == pytest.approx(0.25)
    assert rows["the-pile/arxiv"]["share"] == pytest.approx(0.1)
    assert rows["the-stack/c"]["share"] == pytest.approx(0.6)


def test_a_budget_above_all_caps_is_refused(dataset):
    capped = [{**PL, "max_epochs": 1.0}, {**NL, "max_epochs": 2.0}]
    with pytest.raises(
        UsageError, match=r"budget is 2,000,000, but max_epochs allows only 1,200,000"
    ):
        resolve(mixture_of(dataset, *capped, tokens=2_000_000))
    assert resolve(mixture_of(dataset, {**PL, "max_epochs": 0.5}, NL)).budget == 1_000_000
    halved = [{**PL, "max_epochs": 0.5}, {**NL, "max_epochs": 0.5}]
    assert resolve(mixture_of(dataset, *halved)).budget == 500_000


def test_a_component_of_two_datasets_has_two_members(dataset, tmp_path, made_up_dataset):
    later = made_up_dataset(tmp_path / "tokenize-b", {"the-stack/c": 50_000})
    resolved = resolve(mixture_of(dataset, PL).model_copy(update={"datasets": [dataset, later]}))
    assert [m.name for m in resolved.members] == [
        "the-stack/c",
        "the-stack/c@2",
        "the-stack/python",
    ]
    assert resolved.members[1].dataset == later


def test_heldout_members_are_those_that_have_heldout_shards(dataset):
    resolved = resolve(mixture_of(dataset, PL, {**NL, "max_epochs": 0.1}, tokens=9), heldout=True)
    assert [(m.name, m.addresses, m.heldout) for m in resolved.members] == [
        ("the-pile/arxiv", 500, True),
        ("the-stack/c", 1000, True),
    ]
    assert resolved.budget == 1500
    with pytest.raises(UsageError, match="have no held-out tokens"):
        resolve(mixture_of(dataset, {**PL, "components": ["the-stack/python"]}), heldout=True)


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ({"components": ["the-stak/*"]}, r"group\[1\].components: 'the-stak/\*' \(group 'nl'\)"),
        ({"components": ["the-stack/c"]}, "the-stack/c is in two groups, 'pl' and 'nl'"),
        ({"weight": None}, "'nl' needs either a weight or epochs"),
        ({"epochs": 1.0}, "'nl' needs either a weight or epochs"),
        ({"inner_epochs": {"the-stack/c": 1.0}}, "'the-stack/c' is not in this group"),
    ],
)
def test_a_mixture_that_does_not_fit_its_datasets_is_refused(dataset, group, message):
    with pytest.raises(UsageError, match=message):
        resolve(mixture_of(dataset, PL, {**NL, **group}))


@pytest.mark.parametrize("weight", ["0", "-1.5", "nan", "inf", "'much'"])
@pytest.mark.parametrize("key", ["weight", "inner_epochs.a"])
def test_a_weight_in_the_file_is_a_number_above_0(tmp_path, key, weight):
    path = tmp_path / "MIX.toml"
    path.write_text(f"datasets = ['a']\n[[group]]\nname='pl'\ncomponents=['*']\n{key}={weight}\n")
    with pytest.raises(
        UsageError,
        match=rf"group\[0\].{key}: input should be a (finite|valid)? ?numb"
        rf"|group\[0\].{key}: input should be greater than 0",
    ):
        load_mixture(str(path))


def test_datasets_with_different_tokenizers_are_refused(dataset, tmp_path, made_up_dataset):
    other = made_up_dataset(tmp_path / "tokenize-b", {"own/code": 500}, tokenizer="2" * 64)
    with pytest.raises(UsageError, match="have different tokenizers"):
        resolve(mixture_of(dataset, PL).model_copy(update={"datasets": [dataset, other]}))


def test_a_file_read_is_the_mixture_written(dataset, tmp_path):
    mixture = mixture_of(
        dataset, PL, {**NL, "inner_epochs": {"the-pile/arxiv": 2.0}, "max_epochs": 4}, seed=3
    )
    path = str(tmp_path / "deep" / "MIX.toml")
    save_mixture(mixture, path)
    assert tomllib.loads(Path(path).read_text())["datasets"] == ["../tokenize-a"]
    assert load_mixture(path) == mixture


def test_datasets_of_a_mixture_in_a_store_start_at_its_url(dataset):
    files.write_bytes(
        "memory://mixtures/MIX.toml",
        b'datasets = ["out"]\n[[group]]\nname = "a"\ncomponents = ["a/*"]\nweight = 1\n',
    )
    assert load_mixture("memory://mixtures/MIX.toml").datasets == ["memory://mixtures/out"]
    datasets = [os.path.relpath(dataset), "memory://mixtures/out", f"file://{dataset}"]
    mixture = mixture_of(dataset, PL).model_copy(update={"datasets": datasets})
    save_mixture(mixture, "memory://mixtures/MIX.toml")
    assert load_mixture("memory://mixtures/MIX.toml").datasets == [dataset, *datasets[1:]]


@pytest.mark.parametrize("name", ["\U0001f40d", "a\x7fb", 'quote"d', "line\nfeed"])
def test_a_mixture_under_any_path_can_be_read_again(made_up_dataset, tmp_path, name):
    dataset = made_up_dataset(tmp_path / name / "tokenize-a", TOKENS)
    out = str(tmp_path / "MIX.toml")
    make_mixture([dataset], {"the-stack": 1, "the-pile": 1}, out=out)
    assert load_mixture(out).datasets == [dataset]


def test_make_mixture_writes_groups_and_the_piles_epochs(dataset, tmp_path):
    out = str(tmp_path / "MIX.toml")
    rows = make_mixture([dataset], {"the-stack/c": 2, "the-pile+the-stack/p*": 2}, seed=7, out=out)
    mixture = load_mixture(out)
    assert rows == mixture_table(mixture)
    assert mixture.seed == 7
    assert mixture.group[1].components == ["the-pile/*", "the-stack/p*"]
    assert mixture.group[1].inner_epochs == {"the-pile/arxiv": 2.0, "the-pile/wikipedia-en": 3.0}
    assert {row["component"]: row["requested_share"] for row in rows} == pytest.approx(
        {
            "the-stack/c": 0.5,
            "the-stack/python": 0.5 * 2 / 7,
            "the-pile/arxiv": 0.5 * 2 / 7,
            "the-pile/wikipedia-en": 0.5 * 3 / 7,
        }
    )


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({}, r"one GROUP=W, or --recipe; the sources are: \['the-pile', 'the-stack'\]"),
        ({"the-stack": 0.0}, "--weight: the-stack=0.0: weight must be a finite number above 0"),
        ({"the-stack": -1.0}, "weight must be a finite number above 0"),
        ({"the-stack": float("nan")}, "weight must be a finite number above 0"),
        ({"the-stak": 1.0}, "--weight: 'the-stak' matches no component; did you mean 'the-stack'"),
        ({"the-stack/pythno": 1.0}, "did you mean 'the-stack/python'"),
        ({"xyz": 1.0}, "there are: the-pile, the-pile/arxiv"),
        ({"langage:c": 1.0}, "no such column; there are: component, kind, source"),
        ({"componen:c": 1.0}, "no such column; did you mean 'component'"),
        (
            {"component:phyton": 1.0},
            "'component:phyton' matches no component; did you mean 'python'",
        ),
    ],
)
def test_make_mixture_refuses(dataset, tmp_path, weights, message):
    with pytest.raises(UsageError, match=message):
        make_mixture([dataset], weights, out=str(tmp_path / "MIX.toml"))
    assert not (tmp_path / "MIX.toml").exists()


def test_groups_select_components_by_a_column(tmp_path, made_up_dataset):
    tokens = {
        "ours/python--mit": 300,
        "ours/c--mit": 300,
        "ours/python--apache-2-0": 400,
        "prose/arxiv": 500,
        "prose/pile-cc": 500,
    }
    kinds = {"prose": "the-pile"}
    dataset = made_up_dataset(
        tmp_path / "tokenize-a", tokens, kinds=kinds, partitions={"ours": ["license"]}
    )

    def got(**weights):
        rows = make_mixture([dataset], weights, out=str(tmp_path / "MIX.toml"))
        return {row["component"]: row["share"] for row in rows}

    both = got(**{"license:MIT": 1, "license:Apache-2.0": 3})
    assert both == pytest.approx(
        {"ours/c--mit": 0.125, "ours/python--mit": 0.125, "ours/python--apache-2-0": 0.75}
    )
    assert set(got(**{"component:Python": 1})) == {"ours/python--mit", "ours/python--apache-2-0"}
    pile = got(**{"kind:the-pile": 1})
    assert pile == pytest.approx({"prose/arxiv": 2 / 3, "prose/pile-cc": 1 / 3})
    assert set(got(**{"source:ours+prose/arxiv": 1})) == {*list(tokens)[:3], "prose/arxiv"}
    with pytest.raises(UsageError, match="'license:mti' matches no component; did you mean 'mit'"):
        got(**{"license:mti": 1})


def test_repeats_set_epochs_and_max_epochs_cap_them(dataset, tmp_path):
    out = str(tmp_path / "MIX.toml")
    rows = make_mixture(
        [dataset],
        {"the-pile": 1},
        repeats={"the-stack": 2},
        max_epochs={"": 3, "the-pile": 1.5},
        tokens=2_000_000,
        out=out,
    )
    caps = {group.name: group.max_epochs for group in load_mixture(out).group}
    assert caps == {"the-pile": 1.5, "the-stack": 3}
    epochs = {row["component"]: row["epochs"] for row in rows}
    assert epochs["the-pile/arxiv"] == pytest.approx(1.5)
    assert epochs["the-stack/c"] == pytest.approx((2_000_000 - 300_000) / 800_000)
    for wrong, message in (
        ({"pile": 1.0}, "there is no group 'pile'; did you mean 'the-pile'"),
        ({"": 0.0}, "--max-epochs: 0.0: epochs must be a finite number above 0"),
    ):
        with pytest.raises(UsageError, match=message):
            make_mixture([dataset], {"the-pile": 1}, max_epochs=wrong, out=out)
    with pytest.raises(
        UsageError, match="--repeat: the-pile=-1: epochs must be a finite number above 0"
    ):
        make_mixture([dataset], repeats={"the-pile": -1}, out=out)


def member(index, group, size, weight, cap):
    return Member(
        name=f"own/{index}",
        dataset="none",
        heldout=False,
        documents=0,
        tokens=size,
        digest="",
        group=group,
        weight=weight,
        cap=None if cap is None else int(cap * size),
    )


@st.composite
def resolved(draw):
    groups = draw(st.integers(1, 4))
    positive = st.floats(0.01, 100)
    members = [
        member(
            i,
            i if i < groups else draw(st.integers(0, groups - 1)),
            draw(st.integers(1, 10**6)),
            draw(positive),
            draw(st.none() | st.floats(0.1, 5)),
        )
        for i in range(draw(st.integers(groups, 9)))
    ]
    weights = [draw(positive) for _ in range(groups)]
    shares = [weight / sum(weights) for weight in weights]
    most = sum(m.cap if m.cap is not None else 10**7 for m in members)
    budget = draw(st.integers(1, max(1, most)))
    nothing: Any = None
    return Resolved(nothing, members, shares, budget, nothing)


@given(resolved())
def test_shares_sum_to_one_and_groups_get_theirs(mix):
    shares = mix.shares()
    assert sum(shares) == pytest.approx(1)
    for group, share in enumerate(mix.group_shares):
        members = [s for s, m in zip(shares, mix.members, strict=True) if m.group == group]
        assert sum(members) == pytest.approx(share)


@given(resolved())
def test_capped_members_leave_their_share_to_their_group(mix):
    """No member exceeds its cap, and a group keeps its share while one of its members is left."""
    shares, seen = mix.shares(), mix.amounts()
    most = sum(float("inf") if m.cap is None else m.cap for m in mix.members)
    assert sum(seen) == pytest.approx(min(mix.budget, most))
    pairs = zip(mix.members, seen, strict=True)
    left = [m.cap is not None and amount >= m.cap * (1 - 1e-9) for m, amount in pairs]
    for share, amount, member, gone in zip(shares, seen, mix.members, left, strict=True):
        assert member.cap is None or amount <= member.cap * (1 + 1e-9)
        assert gone or amount >= share * mix.budget * (1 - 1e-9)
    for group, share in enumerate(mix.group_shares):
        members = [i for i, m in enumerate(mix.members) if m.group == group]
        if not all(left[i] for i in members) and not any(
            all(left[i] for i, m in enumerate(mix.members) if m.group == other)
            for other in range(len(mix.group_shares))
        ):
            assert sum(seen[i] for i in members) == pytest.approx(share * mix.budget)
