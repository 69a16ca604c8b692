"""The whole road against an S3 server: the same bytes as on a disk, or one clear sentence."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import stackpile
from manifests.dataset.dataset import Dataset
from manifests.errors import UsageError
from manifests.io import files, object_store
from tests.corpora import write_corpus
from tests.object_store import BUCKET, Store, serving
from tests.trainer.conftest import RUN

Command = Callable[..., str]


@pytest.fixture(scope="module")
def server() -> Iterator[Store]:
    """Return the server; attempts follow each other at once."""
    with pytest.MonkeyPatch.context() as patch, serving(patch) as started:
        patch.setattr(object_store, "FIRST_WAIT", 0.0)
        yield started


@pytest.fixture
def store(server: Store) -> Iterator[Store]:
    """Return the server, in order."""
    server.failed = server.every = 0
    server.cut = False
    yield server
    server.every = 0


@pytest.fixture
def root(tmp_path: Path) -> str:
    """Return a place in the store of the test's own."""
    return f"s3://{BUCKET}/{tmp_path.name}"


@pytest.fixture(scope="module")
def command() -> Command:
    """Return `command("inspect", ...) -> stdout`; with `fails=1`, what was said on stderr."""
    app = typer.Typer(cls=stackpile.CommandGroup, pretty_exceptions_enable=False)
    app.callback()(stackpile._options)
    stackpile.register(app)

    def call(*arguments: str, fails: int = 0) -> str:
        done = CliRunner().invoke(app, list(arguments))
        assert done.exit_code == fails, done.stderr
        return done.stderr if fails else done.stdout

    return call


def upload(directory: Path, url: str) -> None:
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            files.write_bytes(f"{url}/{path.relative_to(directory)}", path.read_bytes())


def listing(directory: str) -> dict[str, bytes]:
    """Return every file below a directory, but those of a directory named after a run."""
    result = files.glob(f"{directory}/**/*")
    names = {url.removeprefix(directory + "/"): url for url in result}
    return {n: files.read_bytes(u) for n, u in names.items() if "clusters/" not in n}


def test_prepare_over_a_store_that_fails_every_tenth_request(
    tmp_path: Path, root: str, store: Store, command: Command
) -> None:
    """Input and output in the store: its bytes are those of a local output, and train reads it."""
    corpus = write_corpus(tmp_path)
    shutil.rmtree(tmp_path / "data/starcoderdata")
    shutil.rmtree(tmp_path / "data/stack/data/cpp")
    upload(tmp_path / "data", f"{root}/data")
    sources = corpus.read_text().replace('"data/', f'"{root}/data/').split("[[source]]")
    text = "[[source]]".join(source for source in sources if "starcoderdata" not in source)
    corpus.write_text(text)
    one = ("--", "--direct_num_workers=1")
    local = str(tmp_path / "out")
    command("prepare", str(corpus), *one)
    shutil.copy(corpus, tmp_path / "S3.toml")
    (tmp_path / "S3.toml").write_text(text.replace('output = "out"', f'output = "{root}/out"'))
    store.every, store.cut = 10, True
    command("prepare", str(tmp_path / "S3.toml"), *one)
    assert store.failed > 30
    remote_bytes = listing(f"{root}/out")
    assert remote_bytes == listing(local)
    assert {"tokenize-bpe-700/README.md", "tokenize-bpe-700/croissant.json"} <= set(remote_bytes)
    assert json.loads(command("verify", f"{root}/out", "--json"))["ok"]
    assert "pile/wikipedia-en" in json.loads(command("inspect", f"{root}/out", "--json"))["funnel"]


def test_training_from_a_store_is_training_from_a_disk(
    tmp_path: Path, small_dataset_made_once: Path, root: str, store: Store, command: Command
) -> None:
    upload(small_dataset_made_once, f"{root}/tokens")
    losses = []
    for name, dataset in (("local", str(small_dataset_made_once)), ("s3", f"{root}/tokens")):
        place = tmp_path / name
        place.mkdir()
        mixture = str(place / "MIX.toml")
        command("mix", dataset, "--weight", "the-stack=1", "--epochs", "1", "--out", mixture)
        (place / "RUN.toml").write_text(RUN)
        store.every = 10
        assert "the-stack/" in command("preview", mixture)
        command("train", str(place / "RUN.toml"), "schedule.steps=2")
        store.every = 0
        lines = (place / "run" / "metrics.jsonl").read_text().splitlines()
        losses.append([json.loads(line)["loss"] for line in lines if "loss" in line])
    assert losses[0] == losses[1] != []
    assert store.failed > 3


def test_a_wrong_bit_in_a_store_stops_training(
    tmp_path: Path, small_dataset_made_once: Path, root: str, store: Store, command: Command
) -> None:
    upload(small_dataset_made_once, f"{root}/tokens")
    for shard in files.glob(f"{root}/tokens/shards/*/*.tar"):
        data = bytearray(files.read_bytes(shard))
        data[2000] ^= 4
        files.write_bytes(shard, bytes(data))
    command("mix", f"{root}/tokens", "--weight", "the-stack=1", "--out", str(tmp_path / "MIX.toml"))
    (tmp_path / "RUN.toml").write_text(RUN)
    said = command("train", str(tmp_path / "RUN.toml"), "schedule.steps=2", fails=1)
    assert f"{root}/tokens/shards/the-stack/" in said
    assert "its checksum is" in said
    assert not files.exists(str(tmp_path / "run" / "checkpoints" / "2"))


def test_a_store_that_is_down_is_one_sentence(
    tmp_path: Path, small_dataset_made_once: Path, root: str, store: Store, command: Command
) -> None:
    upload(small_dataset_made_once, f"{root}/tokens")
    store.every = 1
    said = command("inspect", f"{root}/tokens", fails=1)
    assert said.startswith(f"stackpile: {root}/tokens")
    assert f"the store failed {object_store.ATTEMPTS} times in a row" in said
    assert said.count("\n") == 1


def test_a_dataset_that_was_cut_in_a_store_is_named(
    small_dataset_made_once: Path, root: str, store: Store
) -> None:
    upload(small_dataset_made_once, f"{root}/tokens")
    shard = f"{root}/tokens/shards/the-stack/python-00000-0123abcd.tar"
    files.write_bytes(shard, files.read_bytes(shard)[:-1024])
    component = Dataset.open(f"{root}/tokens").component("the-stack/python")
    with pytest.raises(Exception, match=r"python-00000-0123abcd\.tar: has \d+ bytes; shards"):
        component.window(0, component.addresses)


def test_a_bucket_that_is_not_there_is_a_bad_call(store: Store) -> None:
    for size in (3, 20 << 20):  # put at once, and in parts
        with pytest.raises(UsageError, match=r"s3://buckte/a: the bucket does not exist$"):
            files.write_bytes("s3://buckte/a", bytes(size))
