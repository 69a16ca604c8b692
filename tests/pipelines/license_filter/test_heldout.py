"""A repository is held out even where the share of [tokenize] selects none."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from filters.document_ids import heldout_hash
from pipelines.corpus.inputs import list_ranges
from pipelines.corpus.loading import load_corpus
from pipelines.license_filter.heldout import choose_heldout
from pipelines.preparation import load_preparation
from pipelines.prepare import run_jobs
from pipelines.runtime.runners import Runner
from pipelines.summary import result_table
from tests.corpora import code, stack_row, write_stack
from tests.outputs import printed

OWN = """
[[source]]
name = "ours"
kind = "jsonl"
files = "ours.jsonl"
columns = {{ text = "body", repo = "project", license = "license" }}
component = "python"
license = {{ policy = "strict", missing = "{missing}", header = "off" }}
[tokenize]
tokenizer = {{ train = 700 }}
heldout = {heldout}
"""
REPOSITORIES = [f"Owner/Repo{number}" for number in range(20)]


def write(path: Path, heldout: float, missing: str = "accept", licenses: object = None) -> str:
    """Write 20 repositories of one document each, and return CORPUS.toml."""
    known = licenses if isinstance(licenses, dict) else {}
    records = [
        {"body": code(number), "project": name, "license": known.get(name)}
        for number, name in enumerate(REPOSITORIES)
    ]
    (path / "ours.jsonl").write_text("".join(json.dumps(row) + "\n" for row in records))
    (path / "CORPUS.toml").write_text(OWN.format(heldout=heldout, missing=missing))
    return str(path / "CORPUS.toml")


def chosen(path: str) -> str | None:
    corpus = load_corpus(path)
    return choose_heldout(corpus, list_ranges(corpus))


def smallest(names: list[str]) -> str:
    return min((name.lower() for name in names), key=heldout_hash)


def test_the_repository_of_the_smallest_hash_is_chosen_if_the_share_selects_none(
    tmp_path: Path,
) -> None:
    assert chosen(write(tmp_path, 1e-6)) == smallest(REPOSITORIES)
    assert chosen(write(tmp_path, 0.5)) is None
    assert chosen(write(tmp_path, 0)) is None


def test_a_repository_without_a_license_that_is_allowed_is_not_chosen(tmp_path: Path) -> None:
    allowed = [name for name in REPOSITORIES if name.lower() != smallest(REPOSITORIES)]
    licenses = dict.fromkeys(allowed, "MIT") | {smallest(REPOSITORIES): "GPL-3.0-only"}
    assert chosen(write(tmp_path, 1e-6, "reject", licenses)) == smallest(allowed)
    assert chosen(write(tmp_path, 1e-6, "reject")) is None


def test_the_only_repository_is_not_held_out(tmp_path: Path) -> None:
    write_stack(tmp_path / "stack/python/a.parquet", [stack_row(code(n), ["MIT"]) for n in (1, 2)])
    text = '[[source]]\nname = "a"\nkind = "the-stack"\nfiles = "stack/*/*.parquet"\n'
    (tmp_path / "CORPUS.toml").write_text(text)
    assert chosen(str(tmp_path / "CORPUS.toml")) is None


@pytest.mark.parametrize("share", [1e-6, 0.2])
def test_validation_holds_documents_and_the_summary_says_which(
    tmp_path: Path, share: float
) -> None:
    one = Runner(options=("--direct_num_workers=1",))
    preparation = load_preparation(write(tmp_path, share), runner=one)
    results = run_jobs(preparation)
    components = results["tokenize"].manifest.heldout_components
    assert components["ours/python"].documents >= 1
    name = smallest(REPOSITORIES)
    said = f"held out for validation: {name}" in printed(result_table(preparation, results))
    assert said == (share == 1e-6)
    plan = pq.read_table(Path(preparation.output) / "plan.parquet")["heldout"].to_pylist()
    assert plan == [name if said else None]
