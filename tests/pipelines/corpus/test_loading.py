"""Loading of CORPUS.toml, and the errors about it."""

from pathlib import Path

import pytest

from manifests.errors import UsageError
from manifests.io import files
from pipelines.corpus.loading import load_corpus
from pipelines.corpus.tokenize_table import Tokenizer

SOURCE = '[[source]]\nname = "a"\nkind = "jsonl"\nfiles = "*.jsonl"\n'


def load(tmp_path: Path, text: str):
    path = tmp_path / "CORPUS.toml"
    path.write_text(text)
    return load_corpus(str(path))


def test_defaults_are_filled_in_and_relative_paths_start_at_the_file(tmp_path: Path) -> None:
    corpus = load(tmp_path, SOURCE)
    assert corpus.source[0].files == str(tmp_path / "*.jsonl")
    assert corpus.output == str(tmp_path / "out")
    assert corpus.source[0].missing == "reject"
    assert corpus.tokenize.tokenizer == Tokenizer(train=32000)
    assert corpus.dedup.profile == "stack-v1.2"


def test_urls_stay_unchanged(tmp_path: Path) -> None:
    corpus = load(tmp_path, SOURCE.replace("*.jsonl", "s3://bucket/*.jsonl"))
    assert corpus.source[0].files == "s3://bucket/*.jsonl"


def test_relative_paths_of_a_file_in_a_store_start_at_its_url() -> None:
    files.write_bytes("memory://corpora/CORPUS.toml", SOURCE.encode())
    corpus = load_corpus("memory://corpora/CORPUS.toml")
    assert corpus.source[0].files == "memory://corpora/*.jsonl"
    assert corpus.output == "memory://corpora/out"


def test_all_faults_are_listed_at_once(tmp_path: Path) -> None:
    text = SOURCE + 'licence = { policy = "strict" }\npriority = 300\n[dedop]\n'
    with pytest.raises(UsageError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert "source[0].licence: unknown key; did you mean 'license'?" in message
    assert "source[0].priority" in message and "(it is 300)" in message
    assert "dedop: unknown key; did you mean 'dedup'?" in message


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "source: is missing"),
        ("source = []", "source: list should have at least 1 item"),
        (SOURCE + SOURCE, "the name 'a' is given twice"),
        (SOURCE.replace('"a"', '"A b"'), "is not made of"),
        (SOURCE.replace("jsonl", "json", 1), "no source layout .json.; did you mean .jsonl."),
        (SOURCE + 'license = { policy = "lax" }', "no license policy 'lax'"),
        (SOURCE + '[dedup]\nprofile = "x"', "no dedup profile 'x'"),
        (SOURCE + "[filters]\nmax_line_lenght = 3", "did you mean 'max_line_length'"),
        (
            SOURCE + "[filters]\nmax_line_length = nan",
            r"filters: max_line_length: .* \(it is nan\)$",
        ),
        (SOURCE + "[tokenize]\ntokenizer = { train = 3 }", "tokenize.tokenizer"),
        (SOURCE + "[tokenize]\ntokenizer = { trian = 999 }", "did you mean 'train'"),
        (SOURCE + "[tokenize]\ntokenizer = {}", "give a path"),
        (SOURCE + '[tokenize]\ntokenizer = "t.json"', "t.json: there is no such file"),
        (SOURCE + "[tokenize]\nheldout = 1.5", "tokenize.heldout"),
        (SOURCE + 'component = "x"\ncolumns = { component = "y" }', "either component or"),
        (SOURCE.replace("jsonl", "the-pile", 1) + 'component = "x"', "component is for kinds"),
        ("a = [", "is not TOML"),
    ],
)
def test_a_fault_has_its_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        load(tmp_path, text)


def test_all_faults_of_named_files_are_listed_at_once(tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_text("is this one?\n")
    (tmp_path / "worse.txt").write_text("nor this\n")
    bad = 'license = { policy = "none.toml" }\n'
    text = SOURCE + bad + SOURCE.replace('"a"', '"b"') + bad
    text += '[opt_out]\nfiles = ["none.txt", "bad.txt", "worse.txt"]\n'
    text += '[decontaminate]\nfiles = ["none.jsonl", "nor.jsonl"]\n'
    text += '[tokenize]\ntokenizer = "t.json"\n[dedup]\nprofile = "x"\n'
    with pytest.raises(UsageError) as caught:
        load(tmp_path, text)
    missing = [
        f"{tmp_path}/CORPUS.toml: decontaminate.files: none.jsonl: there is no such file",
        f"{tmp_path}/CORPUS.toml: decontaminate.files: nor.jsonl: there is no such file",
        f"{tmp_path}/CORPUS.toml: opt_out.files: none.txt: there is no such file",
        f"{tmp_path}/CORPUS.toml: tokenize.tokenizer: {tmp_path}/t.json: there is no such file",
    ]
    *result, bad_line, worse_line, profile, policy = str(caught.value).split("\n")
    assert result == missing
    assert bad_line.startswith(f"{tmp_path}/bad.txt: line 1: 'is this one?' is not an owner")
    assert worse_line.startswith(f"{tmp_path}/worse.txt: line 1: 'nor this' is not an owner")
    assert profile.startswith("there is no dedup profile 'x'")
    assert policy == f"{tmp_path}/none.toml: there is no such file"


def test_a_missing_corpus_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing\.toml: there is no such file"):
        load_corpus(str(tmp_path / "nothing.toml"))
