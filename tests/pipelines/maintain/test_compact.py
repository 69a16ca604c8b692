"""Compaction: as if the forgotten documents had never been there, and no more new than needed."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from manifests.dataset.dataset import Dataset
from manifests.dataset.tombstones import Tombstones
from manifests.errors import DataError, UsageError
from manifests.io import files
from manifests.lineage.chain import load_chain
from manifests.lineage.manifest import load_manifest, manifest_digest
from manifests.verify.verify import verify
from pipelines.maintain import compact as module
from pipelines.maintain.compact import Compact, compact, compacted_text
from pipelines.maintain.forget import ForgetRequest, forget
from pipelines.runtime.job import Job
from pipelines.runtime.runners import Runner
from tests.datasets import Document, write_documents
from tests.pipelines.jobs import run_here

ONE = Runner(options=("--direct_num_workers=1",))
TWO = Runner(options=("--direct_num_workers=2",))

documents = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 7, 63, 64, 65, 200]),
        st.sampled_from(["own/a", "own/b"]),
        st.booleans(),
        st.lists(st.sampled_from("xyz"), max_size=2),
    ),
    min_size=4,
    max_size=24,
)


def made(rows):
    return [
        Document(number, length, component, heldout, [f"o/{name}" for name in names])
        for number, (length, component, heldout, names) in enumerate(rows)
    ]


def held(directory):
    """(component, heldout) -> the tokens of its documents, in order."""
    dataset = Dataset.open(directory)
    names = [(name, False) for name in dataset.components]
    names += [(name, True) for name in dataset.heldout_components]
    return {
        key: [tokens.tolist() for tokens in dataset.component(*key).read_documents()]
        for key in names
    }


@pytest.fixture
def without_beam(monkeypatch):
    monkeypatch.setattr(Job, "run", run_here)


@settings(
    max_examples=10,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(rows=documents)
def test_forget_then_compact_is_preparing_without_them(
    tmp_path_factory, small_tokenizer, without_beam, rows
):
    place = tmp_path_factory.mktemp("law")
    (place / "list").write_text("o/x\n")
    asked = ForgetRequest.of([str(place / "list")])
    every = made(rows)
    left = [item for item in every if "o/x" not in item.repositories]
    directory = write_documents(place / "tokenize-a", every, small_tokenizer)
    before = held(directory)
    summary = forget(directory, asked)
    assert summary["documents"] == len(every) - len(left)
    out = str(place / "tokenize-b")
    if not left:
        with pytest.raises(UsageError, match="every document is forgotten"):
            compact(directory, out, ONE)
        return
    result = compact(directory, out, ONE)
    if len(left) == len(every):
        assert result["out"] is None
        return
    never = write_documents(place / "tokenize-c", left, small_tokenizer)
    assert held(out) == held(never)
    kept = {key: value for key, value in held(directory).items() if value}
    assert kept == held(out)
    assert before != kept
    assert verify(load_chain(out)).faults == []
    new, old = load_manifest(out), load_manifest(never)
    assert {n: c.addresses for n, c in new.components.items()} == {
        n: c.addresses for n, c in old.components.items()
    }


@pytest.fixture
def dataset(tmp_path, small_tokenizer):
    """Four shards of own/a, of which one document of the second is forgotten."""
    rows = [Document(n, 30 + n, repositories=[f"o/{n}"]) for n in range(40)]
    rows += [Document(100 + n, 20, "own/b", repositories=["o/b"]) for n in range(6)]
    directory = write_documents(tmp_path / "tokenize-a", rows, small_tokenizer, shards=4)
    forget(directory, asked(tmp_path, "o/12"))
    return directory


def asked(tmp_path, *lines):
    (tmp_path / "list").write_text("\n".join(lines))
    return ForgetRequest.of([str(tmp_path / "list")])


def test_only_touched_shards_are_new(dataset, tmp_path):
    out = str(tmp_path / "tokenize-b")
    summary = compact(dataset, out, TWO)
    assert {name: summary[name] for name in ("rewritten", "kept", "dropped", "documents")} == {
        "rewritten": 1,
        "kept": 7,
        "dropped": 0,
        "documents": 1,
    }
    assert summary["tokens"] == 42
    old, new = (Dataset.open(place).shards["shard"].to_pylist() for place in (dataset, out))
    same = set(old) & set(new)
    assert len(same) == 7
    for path in same:
        assert os.path.samefile(f"{dataset}/{path}", f"{out}/{path}")
    (before,), (after,) = set(old) - same, set(new) - same
    assert before.rpartition("-")[0] == after.rpartition("-")[0] == "shards/own/a-00001"
    manifest = load_manifest(out)
    assert manifest.parent is not None
    assert (manifest.parent.path, manifest.parent.digest) == (
        "../tokenize-a",
        manifest_digest(dataset),
    )
    names = list(Tombstones(dataset, load_manifest(dataset)).names)
    assert manifest.extra["compact"]["tombstones"] == names
    funnel = manifest.funnel["own"]["own/a"]
    assert funnel.rejected["forgotten"].documents == 1
    assert funnel.documents == 39
    assert not Dataset.open(out).tombstones
    verified = verify(load_chain(out))
    assert (verified.faults, verified.notes) == ([], [])
    assert "1 shard rewritten, 0 left out, 7 as they were" in compacted_text(summary)


def test_the_same_bytes_at_any_number_of_workers_and_twice(dataset, tmp_path):
    outs = [str(tmp_path / name) for name in ("tokenize-b", "tokenize-c")]
    for out, runner in zip(outs, (ONE, TWO), strict=True):
        compact(dataset, out, runner)
        compact(dataset, out, runner)
    one, other = ({p: files.sha256(f"{out}/{p}") for p in tree(out)} for out in outs)
    assert one == other


def tree(directory):
    return [str(p.relative_to(directory)) for p in Path(directory).rglob("*") if p.is_file()]


def test_stopped_half_way_it_goes_on(dataset, tmp_path, monkeypatch, without_beam):
    out = str(tmp_path / "tokenize-b")
    done: list[str] = []
    work = Compact.work

    def failing(self, row):
        if len(done) == 4:
            raise MemoryError
        done.append(row["part"])
        work(self, row)

    monkeypatch.setattr(Compact, "work", failing)
    with pytest.raises(MemoryError):
        compact(dataset, out, ONE)
    assert not files.exists(f"{out}/manifest.json")
    monkeypatch.undo()
    made: list[str] = []

    def noting(self, row):
        made.append(row["part"])
        work(self, row)

    monkeypatch.setattr(Compact, "work", noting)
    compact(dataset, out, ONE)
    assert len(made) == 4
    assert set(made).isdisjoint(done)
    assert held(out) == held(dataset)


def test_tombstones_that_come_later_are_left_to_the_next(
    dataset, tmp_path, monkeypatch, without_beam
):
    rows = module._rows

    def slow(opened):
        result = rows(opened)
        forget(dataset, asked(tmp_path, "o/13", "o/b"))
        return result

    monkeypatch.setattr(module, "_rows", slow)
    out, again = str(tmp_path / "tokenize-b"), str(tmp_path / "tokenize-c")
    assert compact(dataset, out, ONE)["documents"] == 1
    monkeypatch.undo()
    assert [45] not in [np.unique(tokens).tolist() for tokens in held(dataset)["own/a", False]]
    numbers = [tokens[0] for tokens in held(out)["own/a", False]]
    assert 12 not in numbers
    assert 13 in numbers
    forget(out, asked(tmp_path, "o/13", "o/b"))
    summary = compact(out, again, ONE)
    assert (summary["documents"], summary["dropped"]) == (7, 4)
    assert set(load_manifest(again).components) == {"own/a"}
    assert verify(load_chain(again)).faults == []


def test_nothing_to_do_and_nowhere_to_go(tmp_path, small_tokenizer, dataset):
    plain = write_documents(tmp_path / "tokenize-p", [Document(1, 5)], small_tokenizer, shards=1)
    summary = compact(plain, str(tmp_path / "tokenize-q"), ONE)
    assert summary["out"] is None
    assert not files.exists(str(tmp_path / "tokenize-q"))
    assert "has no forgotten documents" in compacted_text(summary)
    with pytest.raises(UsageError, match="is the dataset to be compacted"):
        compact(dataset, f"{dataset}/", ONE)
    with pytest.raises(UsageError, match="tokenize-p: holds another dataset"):
        compact(dataset, plain, ONE)


def test_a_damaged_shard_is_named(dataset, tmp_path, without_beam):
    opened = Dataset.open(dataset)
    path = next(p for p in opened.shards["shard"].to_pylist() if "a-00001" in p)
    data = bytearray(files.read_bytes(f"{dataset}/{path}"))
    data[int(opened.blocks["data_offset"][0]) + 8] ^= 1
    files.write_bytes(f"{dataset}/{path}", bytes(data))
    with pytest.raises(DataError, match=r"a-00001-0123abcd\.tar: block"):
        compact(dataset, str(tmp_path / "tokenize-b"), ONE)
