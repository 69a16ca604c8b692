"""The subcommand `mix`."""

import json
import tomllib

import pytest

from manifests.errors import UsageError


def test_mix_prints_groups_components_and_epochs(run, output, tmp_path):
    path = tmp_path / "MIX.toml"
    weights = ("--weight", "the-stack=1", "--weight", "the-pile=1")
    text = run("mix", output, *weights, "--epochs", 2, "--seed", 7, "--out", path).stdout
    for word in ("the-stack/python", "the-pile", "50.0 %", "epochs"):
        assert word in text
    assert tomllib.loads(path.read_text())["seed"] == 7
    values = json.loads(run("mix", output, *weights, "--out", path, "--json").stdout)
    assert {row["component"] for row in values["components"]} == {
        "the-stack/python",
        "the-stack/c",
        "the-pile/wikipedia-en",
    }


@pytest.mark.parametrize("weight", ["the-stack", "=1", "the-stack=", "the-stack=many"])
def test_a_weight_without_a_number_is_an_error(run, output, weight):
    with pytest.raises(UsageError, match="is not written GROUP=W"):
        run("mix", output, "--weight", weight)


def test_epochs_without_a_number_are_an_error(run, output):
    with pytest.raises(UsageError, match=r"'abc' is not written \[GROUP=\]E, with a number E"):
        run("mix", output, "--weight", "the-stack=1", "--max-epochs", "abc")
    with pytest.raises(UsageError, match="'the-stack' is not written GROUP=E, with a number E"):
        run("mix", output, "--repeat", "the-stack")


def test_a_group_that_is_given_twice_is_an_error(run, output):
    with pytest.raises(UsageError, match="--weight: group 'the-stack' is given twice"):
        run("mix", output, "--weight", "the-stack=1", "--weight", "the-stack=2")
    with pytest.raises(UsageError, match="--max-epochs: the maximum of every group is given twice"):
        run("mix", output, "--weight", "the-stack=1", "--max-epochs", "1", "--max-epochs", "2")


def test_a_mixture_without_weights_is_an_error(run, output):
    with pytest.raises(UsageError, match="give at least one GROUP=W"):
        run("mix", output)
