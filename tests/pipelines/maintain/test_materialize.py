"""A mixture written out: its shares, its shuffle, the same bytes, and what webdataset reads."""

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import webdataset

from manifests.errors import UsageError
from manifests.io import files
from manifests.mixture.mixture import make_mixture
from pipelines.maintain import materialize as module
from pipelines.maintain.forget import ForgetRequest, forget
from pipelines.maintain.materialize import Materialize, materialize, materialized_text
from pipelines.runtime.job import Job
from pipelines.runtime.runners import Runner
from tests.datasets import Document, write_documents
from tests.pipelines.jobs import run_here

ONE = Runner(options=("--direct_num_workers=1",))
TWO = Runner(options=("--direct_num_workers=2",))


@pytest.fixture
def dataset(tmp_path, small_tokenizer):
    rows = [Document(n, 20, "own/a", repositories=[f"o/{n % 10}"]) for n in range(100)]
    rows += [Document(200 + n, 20, "own/b", repositories=["o/b"]) for n in range(50)]
    return write_documents(tmp_path / "tokenize-a", rows, small_tokenizer)


@pytest.fixture
def small_shards(monkeypatch):
    """Shards of about forty documents."""
    monkeypatch.setattr(module, "SHARD_BYTES", 2 * 21 * 40)


@pytest.fixture
def without_beam(monkeypatch):
    monkeypatch.setattr(Job, "run", run_here)


def mix(dataset, tmp_path, weights, **options):
    path = str(tmp_path / "MIX.toml")
    make_mixture([dataset], weights, out=path, **options)
    return path


def read(out):
    """The documents of all shards, in order, as webdataset gives them: each by its number."""
    urls = sorted(files.glob(f"{out}/shards/*.tar"))
    numbers = []
    for sample in webdataset.WebDataset(urls, shardshuffle=False).decode():
        tokens, starts = sample["tokens.npy"], sample["offsets.npy"]
        for start, stop in itertools.pairwise(starts):
            (number,) = np.unique(tokens[start:stop]).tolist()
            assert stop - start == 20
            numbers.append(number)
    return numbers


def test_epochs_are_those_of_the_mixture(dataset, tmp_path, small_shards, without_beam):
    path = mix(dataset, tmp_path, {"own/a": 1, "own/b": 1}, epochs=1)
    out = str(tmp_path / "out")
    summary = materialize(path, out, ONE)
    numbers = read(out)
    counts = Counter(numbers)
    assert set(counts) >= {200 + n for n in range(50)}
    a = {number: count for number, count in counts.items() if number < 200}
    b = {number: count for number, count in counts.items() if number >= 200}
    assert (sum(a.values()), sum(b.values())) == (75, 75)
    assert set(a.values()) == {1}
    assert Counter(b.values()) == {1: 25, 2: 25}
    assert summary["documents"] == 150
    assert summary["components"]["own/a"]["epochs"] == pytest.approx(0.75)
    assert summary["components"]["own/b"]["share"] == pytest.approx(0.5)
    assert len(summary["shards"]) == 4
    assert "own/b  requested 50.0 %, share 50.0 %, 1.50 epochs" in materialized_text(summary, out)


def test_it_is_shuffled_and_the_table_says_what_is_where(
    dataset, tmp_path, small_shards, without_beam
):
    out = str(tmp_path / "out")
    materialize(mix(dataset, tmp_path, {"own": 1}, seed=3), out, ONE)
    numbers = read(out)
    assert sorted(numbers) == [*range(100), *range(200, 250)]
    assert numbers != sorted(numbers)
    follows = sum(b - a == 1 for a, b in itertools.pairwise(numbers))
    assert follows < 10
    first = np.array(numbers[:75])
    assert 15 <= (first >= 200).sum() <= 35  # a third of them, in the first half too
    named = []
    for url in sorted(files.glob(f"{out}/shards/*.parquet")):
        for row in pq.read_table(url).to_pylist():
            base = {"own/a": 0, "own/b": 200}[row["component"]]
            named.append(base + row["document"])
            assert row["tokens"] == 20
    assert named == numbers
    other = str(tmp_path / "other")
    materialize(mix(dataset, tmp_path, {"own": 1}, seed=4), other, ONE)
    assert read(other) != numbers


def times(out):
    return {shard: Path(shard).stat().st_mtime_ns for shard in files.glob(f"{out}/shards/*.tar")}


def tree(out):
    paths = (p for p in Path(out).rglob("*") if p.is_file())
    return {str(p.relative_to(out)): files.sha256(str(p)) for p in paths}


def test_the_same_bytes_at_any_number_of_workers_and_again(dataset, tmp_path, small_shards):
    path = mix(dataset, tmp_path, {"own": 1}, epochs=2)
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    materialize(path, one, ONE)
    materialize(path, two, TWO)
    made = tree(one)
    assert made == tree(two)
    before = times(one)
    files.remove(f"{one}/mixture.json")
    files.remove(files.glob(f"{one}/receipts/*.json")[0])
    materialize(path, one, ONE)
    assert tree(one) == made
    assert sum(before[shard] != time for shard, time in times(one).items()) == 1


def test_forgotten_documents_are_not_written(dataset, tmp_path, small_shards, without_beam):
    forget(dataset, ForgetRequest.of(owners=["nobody"], ids=[]))
    (tmp_path / "list").write_text("o/3\n")
    forget(dataset, ForgetRequest.of([str(tmp_path / "list")]))
    out = str(tmp_path / "out")
    summary = materialize(mix(dataset, tmp_path, {"own": 1}), out, ONE)
    assert summary["documents"] == 140
    assert not {number for number in read(out) if number < 200 and number % 10 == 3}
    assert summary["components"]["own/a"]["tombstones"]


def test_bad_calls(dataset, tmp_path, small_shards, without_beam):
    path = mix(dataset, tmp_path, {"own": 1})
    out = str(tmp_path / "out")
    materialize(path, out, ONE)
    with pytest.raises(UsageError, match="out: holds another mixture"):
        materialize(mix(dataset, tmp_path, {"own": 1}, seed=9), out, ONE)
    tiny = mix(dataset, tmp_path, {"own": 1}, tokens=1)
    with pytest.raises(UsageError, match="its budget is below one document"):
        materialize(tiny, str(tmp_path / "tiny"), ONE)


def test_a_cap_is_never_exceeded(tmp_path, small_tokenizer, small_shards, without_beam):
    rows = [Document(n, 20, "own/a") for n in range(3)]
    rows += [Document(200 + n, 20, "own/b") for n in range(100)]
    dataset = write_documents(tmp_path / "tokenize-a", rows, small_tokenizer)
    path = mix(dataset, tmp_path, {"own/a": 1, "own/b": 1}, epochs=1, max_epochs={"own/a": 2.6})
    summary = materialize(path, str(tmp_path / "out"), ONE)
    assert summary["components"]["own/a"]["epochs"] == pytest.approx(7 / 3)


def test_another_mixture_never_comes_into_the_same_directory(
    dataset, tmp_path, small_shards, without_beam, monkeypatch
):
    """Not even where the first was stopped, nor where the directory is a dataset's."""
    path = mix(dataset, tmp_path, {"own": 1})
    out = str(tmp_path / "out")
    work = Materialize.work

    def failing(self, row):
        if row["number"] == 2:
            raise MemoryError
        work(self, row)

    monkeypatch.setattr(Materialize, "work", failing)
    with pytest.raises(MemoryError):
        materialize(path, out, ONE)
    monkeypatch.setattr(Materialize, "work", work)
    made = tree(out)
    assert sum(name.endswith(".tar") for name in made) == 2
    with pytest.raises(UsageError, match="out: holds parts of another mixture"):
        materialize(mix(dataset, tmp_path, {"own": 1}, seed=9), out, ONE)
    assert tree(out) == made
    summary = materialize(mix(dataset, tmp_path, {"own": 1}), out, ONE)
    assert {f"{out}/{shard['shard']}" for shard in summary["shards"]} == set(times(out))
    before = tree(dataset)
    with pytest.raises(UsageError, match="tokenize-a: holds a dataset"):
        materialize(path, dataset, ONE)
    files.remove(f"{dataset}/manifest.json")
    other = write_documents(
        tmp_path / "tokenize-b", [Document(1, 20)], files.read_bytes(f"{dataset}/tokenizer.json")
    )
    with pytest.raises(UsageError, match="tokenize-a: holds files of another job"):
        materialize(mix(other, tmp_path, {"own": 1}), dataset, ONE)
    assert tree(dataset) == {k: v for k, v in before.items() if k != "manifest.json"}
