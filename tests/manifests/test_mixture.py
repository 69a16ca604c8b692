"""MIX.toml: shares, budgets, caps, and what is wrong with a mixture."""

from pathlib import Path

import pytest

from manifests.errors import BadCall
from manifests.mixture import (
    Group,
    Mixture,
    load_mixture,
    make_mixture,
    mixture_table,
    save_mixture,
)
from manifests.resolve import resolve

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
    return Mixture(datasets=[dataset], group=[Group(**group) for group in groups], **fields)


PL = {"name": "pl", "components": ["the-stack/*"], "weight": 1.0}
NL = {"name": "nl", "components": ["the-pile/*"], "weight": 1.0}


def by_component(mixture):
    return {row["component"]: row for row in mixture_table(mixture)}


def test_weights_are_shares_of_tokens_and_a_group_divides_by_size(dataset):
    rows = by_component(mixture_of(dataset, PL, NL))
    assert rows["the-stack/c"]["asked"] == pytest.approx(0.375)
    assert rows["the-stack/python"]["asked"] == pytest.approx(0.125)
    assert rows["the-pile/arxiv"]["asked"] == pytest.approx(0.25)
    assert rows["the-pile/arxiv"]["epochs"] == pytest.approx(2.5)
    assert rows["the-stack/c"]["epochs"] == pytest.approx(0.625)
    assert sum(row["got"] for row in rows.values()) == pytest.approx(1)


def test_budgets(dataset):
    assert resolve(mixture_of(dataset, PL, NL)).budget == 1_000_000
    assert resolve(mixture_of(dataset, PL, NL, epochs=2.5)).budget == 2_500_000
    assert resolve(mixture_of(dataset, PL, NL, tokens=123_456)).budget == 123_456
    with pytest.raises(BadCall, match="tokens or of epochs, not both"):
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
    with pytest.raises(BadCall, match="every group has epochs"):
        resolve(mixture.model_copy(update={"tokens": 5}))


def test_weights_divide_what_epochs_leave(dataset):
    mixture = mixture_of(dataset, {**PL, "weight": None, "epochs": 1}, NL, tokens=1_000_000)
    rows = by_component(mixture)
    assert rows["the-stack/c"]["epochs"] == pytest.approx(1)
    assert rows["the-pile/arxiv"]["asked"] == pytest.approx(0.1)
    with pytest.raises(BadCall, match="leave nothing of the budget"):
        resolve(mixture.model_copy(update={"tokens": 700_000}))


def test_inner_epochs_weigh_inside_the_group(dataset):
    rows = by_component(
        mixture_of(dataset, PL, {**NL, "inner_epochs": {"the-pile/wikipedia-en": 3.0}})
    )
    assert rows["the-pile/wikipedia-en"]["asked"] == pytest.approx(0.375)
    assert rows["the-pile/arxiv"]["asked"] == pytest.approx(0.125)


def test_a_component_leaves_at_its_cap_and_the_others_take_its_share(dataset):
    rows = by_component(mixture_of(dataset, PL, {**NL, "max_epochs": 1.0}))
    assert rows["the-pile/arxiv"]["epochs"] == pytest.approx(1)
    assert rows["the-pile/arxiv"]["asked"] == pytest.approx(0.25)
    assert rows["the-pile/arxiv"]["got"] == pytest.approx(0.1)
    assert rows["the-stack/c"]["got"] == pytest.approx(0.6)


def test_caps_that_forbid_the_budget(dataset):
    capped = [{**PL, "max_epochs": 1.0}, {**NL, "max_epochs": 2.0}]
    with pytest.raises(BadCall, match=r"budget is 2,000,000, but max_epochs lets only 1,200,000"):
        resolve(mixture_of(dataset, *capped, tokens=2_000_000))
    assert resolve(mixture_of(dataset, {**PL, "max_epochs": 0.5}, NL)).budget == 1_000_000
    halved = [{**PL, "max_epochs": 0.5}, {**NL, "max_epochs": 0.5}]
    assert resolve(mixture_of(dataset, *halved)).budget == 500_000


def test_the_same_component_in_two_datasets(dataset, tmp_path, made_up_dataset):
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
    with pytest.raises(BadCall, match="hold no heldout tokens"):
        resolve(mixture_of(dataset, {**PL, "components": ["the-stack/python"]}), heldout=True)


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ({"components": ["the-stak/*"]}, r"group\[1\].components: 'the-stak/\*' \(group 'nl'\)"),
        ({"components": ["the-stack/c"]}, "the-stack/c is in two groups, 'pl' and 'nl'"),
        ({"weight": None}, "'nl' needs a weight or epochs"),
        ({"epochs": 1.0}, "'nl' needs a weight or epochs"),
        ({"inner_epochs": {"the-stack/c": 1.0}}, "'the-stack/c' is not in this group"),
        ({"inner_epochs": {"the-pile/arxiv": float("nan")}}, "must be above 0, not nan"),
    ],
)
def test_faults_that_need_the_datasets(dataset, group, message):
    with pytest.raises(BadCall, match=message):
        resolve(mixture_of(dataset, PL, {**NL, **group}))


@pytest.mark.parametrize("weight", ["0", "-1.5", "nan", "inf", "'much'"])
def test_a_weight_in_the_file_is_a_number_above_0(tmp_path, weight):
    path = tmp_path / "MIX.toml"
    path.write_text(f"datasets = ['a']\n[[group]]\nname='pl'\ncomponents=['*']\nweight={weight}\n")
    with pytest.raises(
        BadCall,
        match=r"group\[0\].weight: input should be a (finite|valid)? ?numb"
        r"|group\[0\].weight: input should be greater than 0",
    ):
        load_mixture(str(path))


def test_datasets_with_different_tokenizers(dataset, tmp_path, made_up_dataset):
    other = made_up_dataset(tmp_path / "tokenize-b", {"own/code": 500}, tokenizer="2" * 64)
    with pytest.raises(BadCall, match="have different tokenizers"):
        resolve(mixture_of(dataset, PL).model_copy(update={"datasets": [dataset, other]}))


def test_a_file_read_is_the_mixture_written(dataset, tmp_path):
    mixture = mixture_of(
        dataset, PL, {**NL, "inner_epochs": {"the-pile/arxiv": 2.0}, "max_epochs": 4}, seed=3
    )
    path = str(tmp_path / "deep" / "MIX.toml")
    save_mixture(mixture, path)
    assert 'datasets = ["../tokenize-a"]' in Path(path).read_text()
    assert load_mixture(path) == mixture


def test_make_mixture(dataset, tmp_path):
    out = str(tmp_path / "MIX.toml")
    rows = make_mixture([dataset], {"the-stack/c": 2, "the-pile+the-stack/p*": 2}, seed=7, out=out)
    mixture = load_mixture(out)
    assert rows == mixture_table(mixture)
    assert mixture.seed == 7
    assert mixture.group[1].components == ["the-pile/*", "the-stack/p*"]
    assert mixture.group[1].inner_epochs == {"the-pile/arxiv": 2.0, "the-pile/wikipedia-en": 3.0}
    assert {row["component"]: row["asked"] for row in rows} == pytest.approx(
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
        ({}, r"one GROUP=W, or --recipe; sources there are: \['the-pile', 'the-stack'\]"),
        ({"the-stack": 0.0}, "--weight: the-stack=0.0: a weight is a number above 0"),
        ({"the-stack": -1.0}, "a weight is a number above 0"),
        ({"the-stack": float("nan")}, "a weight is a number above 0"),
        ({"the-stak": 1.0}, "--weight: 'the-stak' matches no component; did you mean 'the-stack'"),
        ({"the-stack/pythno": 1.0}, "did you mean 'the-stack/python'"),
        ({"xyz": 1.0}, "there are: the-pile, the-pile/arxiv"),
        ({"langage:c": 1.0}, "there is no column; there are: component, kind, source"),
        ({"componen:c": 1.0}, "there is no column; did you mean 'component'"),
        ({"component:phyton": 1.0}, "'component:phyton' is no component's; did you mean 'python'"),
    ],
)
def test_make_mixture_refuses(dataset, tmp_path, weights, message):
    with pytest.raises(BadCall, match=message):
        make_mixture([dataset], weights, out=str(tmp_path / "MIX.toml"))
    assert not (tmp_path / "MIX.toml").exists()
