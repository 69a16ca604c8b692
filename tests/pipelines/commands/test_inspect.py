import json
import tomllib

import pytest
import typer
from typer.testing import CliRunner

from manifests.errors import DataError, UsageError
from pipelines.commands.inspect import register


@pytest.fixture
def run():
    app = typer.Typer()
    register(app)

    def call(*arguments):
        result = CliRunner().invoke(app, [str(each) for each in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


@pytest.mark.parametrize("command", ["inspect", "verify"])
def test_programs_get_one_json_object(run, output, command):
    result = run(command, output, "--json")
    assert isinstance(json.loads(result.stdout), dict)


def test_inspect(run, output):
    assert "wikipedia-en" in run("inspect", output).stdout


def test_verify_says_that_all_is_in_order(run, output):
    assert "in order: " in run("verify", output).stdout


def test_verify_names_faults_for_people_and_programs(run, output):
    (output / "tokenize-small/tokenizer.json").write_text("{}")
    with pytest.raises(DataError, match=r"tokenizer\.json: its SHA-256") as error:
        run("verify", output)
    assert error.value.exit_code == 1
    app = typer.Typer()
    register(app)
    result = CliRunner().invoke(app, ["verify", str(output), "--json"])
    assert not json.loads(result.stdout)["ok"]
    assert isinstance(result.exception, DataError)


def test_verify_counts_the_faults_that_it_does_not_list(run, output):
    for path in output.glob("**/*.parquet"):
        path.write_bytes(b"")
    for path in output.glob("**/*.idx"):
        path.unlink()
    for path in output.glob("**/receipts/*"):
        path.write_bytes(b"{}")
    with pytest.raises(DataError):
        run("verify", output)


def test_diff(run, output):
    assert "the same, to the byte" in run("diff", output, output).stdout
    assert json.loads(run("diff", output / "dedup", output, "--json").stdout)["same"] is False


def test_report_writes_the_page(run, output, tmp_path):
    result = run("report", output, "--out", tmp_path / "page.html")
    assert "page.html" in result.stdout
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")


def test_show(run, output):
    assert "kept (MIT" in run("show", output, "src/c/0.txt").stdout
    assert json.loads(run("show", output, "src/c/0.txt", "--json").stdout)["text"].startswith(
        "# c 0"
    )
    with pytest.raises(UsageError, match="holds no document"):
        run("show", output, "ffff0000")


def test_mix_prints_groups_components_and_epochs(run, output, tmp_path):
    path = tmp_path / "MIX.toml"
    weights = ("--weight", "the-stack=1", "--weight", "the-pile=1")
    text = run("mix", output, *weights, "--epochs", 2, "--seed", 7, "--out", path).stdout
    for word in ("the-stack/python", "the-pile", "50.0 %", "epochs"):
        assert word in text
    assert tomllib.loads(path.read_text())["seed"] == 7
    told = json.loads(run("mix", output, *weights, "--out", path, "--json").stdout)
    assert {row["component"] for row in told["components"]} == {
        "the-stack/python",
        "the-stack/c",
        "the-pile/wikipedia-en",
    }


@pytest.mark.parametrize("weight", ["the-stack", "=1", "the-stack=", "the-stack=many"])
def test_a_weight_that_is_none_is_told(run, output, weight):
    with pytest.raises(UsageError, match="is not written GROUP=W"):
        run("mix", output, "--weight", weight)


def test_a_group_given_twice_is_told(run, output):
    with pytest.raises(UsageError, match="given twice"):
        run("mix", output, "--weight", "the-stack=1", "--weight", "the-stack=2")


def test_a_mixture_without_weights_is_told(run, output):
    with pytest.raises(UsageError, match="give at least one GROUP=W"):
        run("mix", output)


@pytest.mark.parametrize("command", ["inspect", "verify", "report"])
def test_what_is_no_dataset_is_told(run, tmp_path, command):
    with pytest.raises(UsageError, match="is not a dataset"):
        run(command, tmp_path)


def test_rejected_documents_are_shown_with_their_evidence(run, output):
    shown = run("inspect", output, "--rejected", "--rule", "long_lines", "-n", "2").stdout
    assert shown.startswith("long_lines (license_filter): ") and shown.count("row ") == 2
    assert set(json.loads(run("inspect", output, "--rejected", "--json").stdout)) >= {"exact"}
    with pytest.raises(UsageError, match="go with --rejected"):
        run("inspect", output, "--rule", "exact")


def test_attribution_is_written(run, output, tmp_path):
    out = tmp_path / "list.md"
    assert "3 licenses" in run("attribution", output, "--out", out).stdout
    assert out.read_text().startswith("# Attribution\n\n## Apache-2.0: ")
    assert "licenses" in json.loads(run("attribution", output, "--json").stdout)
