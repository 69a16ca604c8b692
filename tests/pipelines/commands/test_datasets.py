"""forget, materialize and compact as they are typed, one after the other on one dataset."""

import json

import pytest
import typer
from typer.testing import CliRunner

from manifests.dataset.dataset import Dataset
from manifests.errors import UsageError
from pipelines import commands
from tests.datasets import Document, write_documents


@pytest.fixture
def run():
    """`run("forget", ...) -> what it printed`."""
    app = typer.Typer()
    commands.register(app)

    def call(*arguments):
        done = CliRunner().invoke(
            app, [str(argument) for argument in arguments], catch_exceptions=False
        )
        assert done.exit_code == 0, done.output
        return done.output

    return call


def test_the_road_of_an_opt_out(tmp_path, small_tokenizer, run):
    rows = [Document(n, 20, repositories=[f"o/{n % 5}"]) for n in range(40)]
    directory = write_documents(tmp_path / "tokenize-a", rows, small_tokenizer)
    (tmp_path / "list.txt").write_text("o/1\n")
    summary = json.loads(run("forget", directory, "--repos", tmp_path / "list.txt", "--json"))
    assert (summary["documents"], summary["tokens"]) == (8, 160)
    assert "nothing new to forget" in run("forget", directory, "--repos", tmp_path / "list.txt")
    assert "no document here for owner nobody" in run("forget", directory, "--owners", "nobody")
    with pytest.raises(UsageError, match="none is given"):
        run("forget", directory)

    mixture = tmp_path / "MIX.toml"
    shown = run("mix", directory, "--weight", "own=1", "--out", mixture)
    assert "168 tokens forgotten, and excluded" in shown
    beam = ("--", "--direct_num_workers=1")
    assert "32 documents in 1 shard" in run("materialize", mixture, *beam)
    out = json.loads(run("materialize", mixture, "--json", *beam))
    assert out["out"] == str(tmp_path / "MIX")

    summary = json.loads(run("compact", directory, "--json", *beam))
    assert summary["out"] == f"{directory}-compact"
    assert sum(Dataset.open(summary["out"]).shards["documents"].to_pylist()) == 32
    assert "has no forgotten documents" in run("compact", summary["out"], *beam)
