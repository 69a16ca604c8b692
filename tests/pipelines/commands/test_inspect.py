"""The subcommands `inspect`, `verify`, `diff` and `attribution`."""

import json

import pytest

from manifests.errors import DataError, UsageError


@pytest.mark.parametrize("command", ["inspect", "verify"])
def test_json_is_one_object(run, output, command):
    result = run(command, output, "--json")
    assert isinstance(json.loads(result.stdout), dict)


def test_inspect_prints_every_component(run, output):
    assert "wikipedia-en" in run("inspect", output).stdout


def test_verify_of_an_intact_output_prints_in_order(run, output):
    assert "in order: " in run("verify", output).stdout


def test_verify_names_faults_as_text_and_json(run, output):
    (output / "tokenize-small/tokenizer.json").write_text("{}")
    with pytest.raises(DataError, match=r"tokenizer\.json: its SHA-256") as error:
        run("verify", output)
    assert error.value.exit_code == 1
    result = run("verify", output, "--json", catch_exceptions=True)
    assert not json.loads(result.stdout)["ok"]
    assert isinstance(result.exception, DataError)


def test_verify_of_many_faults_is_an_error(run, output):
    for path in output.glob("**/*.parquet"):
        path.write_bytes(b"")
    for path in output.glob("**/*.idx"):
        path.unlink()
    for path in output.glob("**/receipts/*"):
        path.write_bytes(b"{}")
    with pytest.raises(DataError):
        run("verify", output)


def test_diff_of_equal_outputs_says_so(run, output):
    assert "the same, to the byte" in run("diff", output, output).stdout
    assert json.loads(run("diff", output / "dedup", output, "--json").stdout)["same"] is False


@pytest.mark.parametrize("command", ["inspect", "verify"])
def test_a_directory_that_is_no_dataset_is_an_error(run, tmp_path, command):
    with pytest.raises(UsageError, match="is not a dataset"):
        run(command, tmp_path)


def test_inspect_rejected_prints_examples_of_a_rule(run, output):
    shown = run("inspect", output, "--rejected", "--rule", "long_lines", "-n", "2").stdout
    assert shown.startswith("long_lines (license_filter): ") and shown.count("row ") == 2
    assert set(json.loads(run("inspect", output, "--rejected", "--json").stdout)) >= {"exact"}
    with pytest.raises(UsageError, match="go with --rejected"):
        run("inspect", output, "--rule", "exact")


def test_attribution_writes_markdown(run, output, tmp_path):
    out = tmp_path / "list.md"
    assert "3 licenses" in run("attribution", output, "--out", out).stdout
    assert out.read_text().startswith("# Attribution\n\n## Apache-2.0: ")
    assert "licenses" in json.loads(run("attribution", output, "--json").stdout)


def test_plan_counts_the_parts_of_each_source_and_writes_nothing(run, corpus):
    sources = json.loads(run("plan", corpus, "--json").stdout)
    parts = {name: source["parts"] for name, source in sources.items()}
    assert parts == {"the-stack": 2, "starcoderdata": 1, "pile": 1}
    assert "starcoderdata" in run("plan", corpus).stdout
    assert not (corpus.parent / "out").exists()


def test_plan_lists_inputs_that_cannot_be_read(run, corpus):
    bad = corpus.parent / "data/stack/data/python/train-00001-of-00002.parquet"
    bad.write_bytes(b"PAR1 not really")
    assert "is not a whole Parquet file" in run("plan", corpus).stdout
