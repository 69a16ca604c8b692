"""Recipes: their sources, and the mixtures they make."""

import pytest

from manifests.components import table
from manifests.errors import UsageError
from manifests.mixture.config import load_mixture
from manifests.mixture.mixture import make_mixture, missing_sets, mixture_table
from manifests.mixture.recipes import DIRECTORY, load_recipe

TOKENS = {
    "code/c": 600_000,
    "code/python": 200_000,
    "prose/arxiv": 100_000,
    "prose/wikipedia-en": 100_000,
    "star/python": 50_000,
}
KINDS = {"code": "the-stack", "prose": "the-pile", "star": "starcoderdata"}
NAMES = sorted(path.stem for path in DIRECTORY.glob("*.toml"))


@pytest.fixture
def dataset(tmp_path, made_up_dataset):
    return made_up_dataset(tmp_path / "tokenize-a", TOKENS, kinds=KINDS)


def shares(dataset, tmp_path, recipe, **options):
    out = str(tmp_path / "MIX.toml")
    make_mixture([dataset], recipe=recipe, out=out, **options)
    return {row["component"]: row for row in mixture_table(load_mixture(out))}


def test_four_recipes_ship_and_name_the_paper():
    assert NAMES == ["codegen2-mix", "codegen2.5", "nl-only", "pl-only"]
    for name in NAMES:
        assert load_recipe(name).published.startswith("CodeGen2 (arXiv 2305.02309), section 3.")


def test_codegen2_mix_takes_the_pile_and_the_stack_equally(dataset, tmp_path):
    rows = shares(dataset, tmp_path, "codegen2-mix")
    assert {name: row["share"] for name, row in rows.items()} == pytest.approx(
        {
            "code/c": 0.375,
            "code/python": 0.125,
            "prose/arxiv": 0.5 * 2 / 5,  # the Pile's published epochs: 2 and 3
            "prose/wikipedia-en": 0.5 * 3 / 5,
        }
    )


@pytest.mark.parametrize(("recipe", "source"), [("nl-only", "prose"), ("pl-only", "code")])
def test_nl_only_and_pl_only_have_one_kind(dataset, tmp_path, recipe, source):
    rows = shares(dataset, tmp_path, recipe, tokens=1000)
    assert {name.split("/")[0] for name in rows} == {source}
    assert sum(row["share"] for row in rows.values()) == pytest.approx(1)


def test_codegen2_5_sees_starcoderdata_five_times(dataset, tmp_path):
    rows = shares(dataset, tmp_path, "codegen2.5")
    assert {name: row["epochs"] for name, row in rows.items()} == pytest.approx({"star/python": 5})


def test_a_recipe_may_be_a_file(dataset, tmp_path):
    path = tmp_path / "OURS.toml"
    path.write_text("published='ours'\n[[group]]\nname='all'\nkinds=['the-pile']\nepochs=2\n")
    rows = shares(dataset, tmp_path, str(path))
    assert sum(row["tokens"] * row["epochs"] for row in rows.values()) == pytest.approx(400_000)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recipe": "codegen3"}, "there is no recipe 'codegen3'; known are codegen2-mix"),
        ({"recipe": "nl-only", "weights": {"code": 1}}, "--recipe: a recipe has groups"),
        ({"recipe": "codegen2.5", "epochs": 3}, "every group has epochs, which define"),
    ],
)
def test_recipes_refuse_wrong_options(dataset, tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        make_mixture([dataset], out=str(tmp_path / "MIX.toml"), **options)
    assert not (tmp_path / "MIX.toml").exists()


def test_a_recipe_needs_a_source_of_each_kind(tmp_path, made_up_dataset):
    only = made_up_dataset(tmp_path / "tokenize-b", {"code/c": 500}, kinds={"code": "the-stack"})
    with pytest.raises(
        UsageError, match=r"nl needs a source of kind the-pile; .* code \(the-stack\)"
    ):
        make_mixture([only], recipe="codegen2-mix", out=str(tmp_path / "MIX.toml"))


def test_the_piles_epochs_are_those_of_its_table():
    # Gao et al. 2020, Table 1: the epochs of all 22 sets, in its order.
    epochs = [1, 2, 1.5, 2, 2, 1, 1.5, 2, 2, 2, 2.5, 1.5, 3, 2, 2, 1.5, 2, 2, 2, 2, 2, 2]
    assert list(table().pile_epochs.values()) == epochs


def test_the_missing_sets_have_their_share_in_the_recipe(dataset):
    (pile, stack) = missing_sets([dataset], "codegen2-mix")
    kept = 0.0896 + 0.0153
    assert pile["share"] == pytest.approx((1 - kept) / 2) and len(pile["sets"]) == 20
    assert stack["share"] is None and len(stack["sets"]) == 17
    (nl,) = missing_sets([dataset], "nl-only")
    assert nl["share"] == pytest.approx(1 - kept)
    assert [row["sets"] for row in missing_sets([dataset], "codegen2.5")] == [
        ["github-issues", "git-commits", "jupyter"]
    ]
    assert missing_sets([dataset], None) == []


def test_a_recipe_none_of_whose_sets_are_there_is_refused(tmp_path, made_up_dataset):
    kinds = {"prose": "the-pile"}
    other = made_up_dataset(tmp_path / "tokenize-c", {"prose/notes": 500}, kinds=kinds)
    out = tmp_path / "MIX.toml"
    with pytest.raises(UsageError, match="nl-only: nl has none of its sets: pile-cc, pubmed"):
        make_mixture([other], recipe="nl-only", out=str(out))
    assert not out.exists()
