"""Compaction into a place where another one was stopped, or is under way."""

from pathlib import Path

import pytest

from manifests.dataset.dataset import Dataset
from manifests.errors import DataError
from manifests.lineage.chain import load_chain
from manifests.lineage.manifest import load_manifest
from manifests.verify.verify import verify
from pipelines.maintain import compact as module
from pipelines.maintain.compact import compact
from pipelines.maintain.forget import ForgetRequest, forget
from pipelines.preparation import write_manifest
from pipelines.runtime.job import Job
from pipelines.runtime.runners import Runner
from tests.datasets import Document, write_documents
from tests.pipelines.jobs import run_here

ONE = Runner()


@pytest.fixture
def dataset(tmp_path, small_tokenizer):
    """Four shards, of which one document of the second is forgotten."""
    rows = [Document(n, 30 + n, repositories=[f"o/{n}"]) for n in range(40)]
    directory = write_documents(tmp_path / "tokenize-a", rows, small_tokenizer, shards=4)
    forget(directory, asked(tmp_path, "o/12"))
    return directory


def asked(tmp_path, *lines):
    (tmp_path / "list").write_text("\n".join(lines))
    return ForgetRequest.of([str(tmp_path / "list")])


@pytest.fixture(autouse=True)
def without_beam(monkeypatch):
    monkeypatch.setattr(Job, "run", run_here)


def tree(directory):
    return [str(p.relative_to(directory)) for p in Path(directory).rglob("*") if p.is_file()]


def tars(directory):
    return sorted(name for name in tree(directory) if name.endswith(".tar"))


def stopped(*_):
    raise MemoryError


def test_nothing_is_left_of_one_that_was_stopped(dataset, tmp_path, monkeypatch):
    """Its shards hold what was forgotten since, and patterns would take them for this one's."""
    out = str(tmp_path / "tokenize-b")
    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(module, "_check_alone", stopped)
        compact(dataset, out, ONE)
    forget(dataset, asked(tmp_path, "o/13"))
    (old,) = set(tars(out)) - set(tars(dataset))
    compact(dataset, out, ONE)
    named = Dataset.open(out).shards["shard"].to_pylist()
    assert old not in named
    assert tars(out) == sorted(named)
    assert {name.partition(".")[0] for name in tree(out) if "own/" in name} == {
        name.removesuffix(".tar") for name in named
    }
    card = Path(out, "README.md").read_text()
    assert "path: shards/*/*.tar" in card
    assert verify(load_chain(out)).faults == []


@pytest.mark.parametrize("when", ["before its parts", "after them"])
def test_of_two_at_once_into_one_place_the_earlier_stops(dataset, tmp_path, monkeypatch, when):
    out = str(tmp_path / "tokenize-b")
    later: list[str] = []

    def run(self, runner, retry_failed=False):
        if later:
            return run_here(self, runner)
        later.append(out)
        done = run_here(self, runner) if when == "after them" else None
        forget(dataset, asked(tmp_path, "o/13"))
        compact(dataset, out, ONE)
        return done or run_here(self, runner)

    monkeypatch.setattr(Job, "run", run)
    with pytest.raises(DataError, match="another compaction has started here"):
        compact(dataset, out, ONE)
    assert load_manifest(out).extra["compact"]["gone"]["documents"] == 2
    assert verify(load_chain(out)).faults == []


def test_what_a_later_one_has_made_is_left_to_it(dataset, tmp_path, monkeypatch):
    """It began while this one was at its end: its shards are no strays."""
    out = str(tmp_path / "tokenize-b")

    def finish(directory, manifest):
        forget(dataset, asked(tmp_path, "o/13"))
        with monkeypatch.context() as patch, pytest.raises(MemoryError):
            patch.setattr(module, "_check_alone", stopped)
            compact(dataset, out, ONE)
        write_manifest(directory, manifest)

    monkeypatch.setattr(module, "write_manifest", finish)
    compact(dataset, out, ONE)
    named = Dataset.open(out).shards["shard"].to_pylist()
    (other,) = set(tars(out)) - set(named)
    assert "a-00001" in other
    assert other not in Path(out, "README.md").read_text()
