"""`stackpile tokenizer train` and `rebuild`, as people and programs call them."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from manifests.errors import DataError, UsageError
from manifests.tokenizer.tokenizer import load_text_tokenizer
from pipelines import commands

MERGES = Path(__file__).parents[4] / "shared" / "data" / "tokenizer" / "vocab.bpe"
ONE = ["--", "--direct_num_workers=1"]


def call(*arguments: str) -> str:
    app = typer.Typer()
    commands.register(app)
    return CliRunner().invoke(app, arguments, catch_exceptions=False).stdout


def test_a_tokenizer_is_trained_on_what_stays(corpus: Path, tmp_path: Path) -> None:
    call("license-filter", str(corpus), *ONE)
    call("dedup", str(corpus), *ONE)
    out = str(tmp_path / "ours.json")
    order = ["tokenizer", "train", str(corpus), "--vocabulary", "700", "--masks", "20"]
    summary = json.loads(call(*order, "--out", out, "--json"))
    assert (summary["out"], summary["vocabulary"], summary["control"]["masks"]) == (out, 700, 20)
    assert load_text_tokenizer(out).encode("x = 1").ids
    assert "700 ids, 20 masks among them" in call(*order, "--out", out)
    # The job, told the same in CORPUS.toml, makes the same one.
    call("tokenize", str(corpus), *ONE)
    made = corpus.parent / "out" / "tokenize-bpe-700" / "tokenizer.json"
    assert made.read_bytes() == Path(out).read_bytes()


def test_training_needs_a_finished_dedup(corpus: Path) -> None:
    with pytest.raises(DataError, match=r"dedup/manifest\.json: there is no such file"):
        call("tokenizer", "train", str(corpus))


def test_published_tokenizers_are_rebuilt(tmp_path: Path) -> None:
    if not MERGES.exists():
        pytest.skip("GPT-2's merges are not there: ../shared/data/tokenizer")
    out = str(tmp_path / "codegen25.json")
    summary = json.loads(
        call("tokenizer", "rebuild", "codegen2.5", str(MERGES), "--out", out, "--json")
    )
    assert (summary["vocabulary"], summary["control"]["masks"]) == (51200, 881)


def test_what_cannot_be_rebuilt_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'codegen3' is none of gpt2, codegen2, codegen2\.5"):
        call("tokenizer", "rebuild", "codegen3", "vocab.bpe")
    with pytest.raises(UsageError, match=r"nowhere\.bpe: there is no such file"):
        call("tokenizer", "rebuild", "codegen2", str(tmp_path / "nowhere.bpe"))
