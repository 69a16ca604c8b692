"""Training refuses damaged data and names the file and the fault."""

import errno
import json
import os
import random
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import stackpile
from manifests.errors import DataError
from manifests.mixture.mixture import make_mixture
from manifests.shards.writer import SECTOR
from tests.conftest import made_up_text
from tests.trainer.conftest import RUN
from trainer.config import load_run_config
from trainer.train import train

SHARD = r"shards/the-stack/(python|cpp)-0000\d-0123abcd\.tar: "


def shards(dataset: Path) -> list[Path]:
    return sorted((dataset / "shards" / "the-stack").glob("*.tar"))


def change(path: Path, place: int, bits: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= bits
    path.write_bytes(data)


def flip_bits(dataset: Path) -> None:
    for path in shards(dataset):
        change(path, SECTOR * 4, 1)


def flip_offsets(dataset: Path) -> None:
    for path in shards(dataset):
        change(path, SECTOR + 128 + 4, 1)


def cut_between_members(dataset: Path) -> None:
    for path in shards(dataset):
        index = np.fromfile(f"{path}.idx", dtype="<u8")
        path.write_bytes(path.read_bytes()[: int(index[-2])])


def cut_inside_a_member(dataset: Path) -> None:
    for path in shards(dataset):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 3])


def cut_and_fill(dataset: Path) -> None:
    """As a copy does that was broken off on a disk with holes: the size is right."""
    for path in shards(dataset):
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 3].ljust(len(data), b"\0"))


def swap(dataset: Path) -> None:
    for one, other in zip(shards(dataset)[::2], shards(dataset)[1::2], strict=True):
        first, second = one.read_bytes(), other.read_bytes()
        one.write_bytes(second)
        other.write_bytes(first)


def lose(dataset: Path) -> None:
    for path in shards(dataset):
        path.unlink()


def edit_manifest(dataset: Path, **fields: object) -> None:
    path = dataset / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def from_another_run(dataset: Path, name: str, make_dataset) -> None:
    draw = random.Random(9)
    texts = {
        component: [made_up_text(draw) for _ in range(count)]
        for component, count in (
            ("the-stack/python", 120),
            ("the-stack/cpp", 80),
            ("the-pile/wikipedia-en", 60),
        )
    }
    other = make_dataset(dataset.parent / "other", texts, {"the-stack/python": ["x"] * 12})
    shutil.copy(Path(other) / name, dataset / name)


@pytest.fixture
def attempt(tmp_path: Path, small_dataset: str):
    """`attempt(harm) -> what training message`; the harm comes after the mixture was made."""

    def call(harm, *overrides: str) -> str:
        make_mixture([small_dataset], {"the-stack": 1.0}, epochs=1, out=str(tmp_path / "MIX.toml"))
        path = tmp_path / "RUN.toml"
        path.write_text(RUN)
        config = load_run_config(str(path), ["schedule.steps=3", *overrides])
        harm(Path(small_dataset))
        with pytest.raises((DataError, OSError)) as caught:
            train(config)
        sentence, code = stackpile.explain(caught.value)
        assert code == 1
        assert "\n" not in sentence
        assert not list((tmp_path / "run").glob("checkpoints/*"))
        return sentence

    return call


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        (flip_bits, SHARD + r"block \d+, at byte \d+: its checksum is"),
        (flip_offsets, SHARD + r"block \d+, at byte \d+: its checksum is"),
        (cut_between_members, SHARD + r"has \d+ bytes; shards\.parquet says \d+"),
        (cut_inside_a_member, SHARD + r"has \d+ bytes; shards\.parquet says \d+"),
        (cut_and_fill, SHARD + r"block \d+, at byte \d+: its checksum is"),
        (swap, SHARD + r"has \d+ bytes; shards\.parquet says \d+"),
        (lose, SHARD + "the shard is missing"),
        (lambda d: (d / "manifest.json").unlink(), r"manifest\.json: there is no such file"),
        (lambda d: edit_manifest(d, version=99), r"manifest\.json: has version 99; this program"),
        (lambda d: edit_manifest(d, digest="1" * 64), r"manifest\.json: seal does not match"),
        (lambda d: (d / "manifest.json").write_text("{"), r"manifest\.json: is not JSON"),
        (lambda d: (d / "shards.parquet").unlink(), r"shards\.parquet: there is no such file"),
        (lambda d: (d / "blocks.bin").unlink(), r"blocks\.bin: the block table is missing"),
        (lambda d: os.truncate(d / "blocks.bin", 24 * 7 + 5), r"blocks\.bin: has 173 bytes, not"),
        (lambda d: os.truncate(d / "blocks.bin", 24 * 7), r"blocks\.bin: has 7 blocks; shards"),
    ],
)
def test_training_names_the_fault(attempt, harm, fault):
    assert re.search(fault, attempt(harm))


@pytest.mark.parametrize("name", ["blocks.bin", "shards.parquet", "manifest.json"])
def test_a_table_of_another_run_is_refused(attempt, make_dataset, name):
    message = attempt(lambda dataset: from_another_run(dataset, name, make_dataset))
    assert "tokenize-small/" in message


def test_a_full_disk_is_reported_and_the_same_command_continues(tmp_path, attempt, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        message = attempt(lambda dataset: patched.setattr(os, "fsync", full))
    assert "no space left on the disk; make room, and the same command goes on" in message
    left = [path for path in (tmp_path / "run").rglob("*") if path.name.endswith(".tmp")]
    assert left == []
    config = load_run_config(str(tmp_path / "RUN.toml"), ["schedule.steps=3"])
    train(config)
    assert (tmp_path / "run" / "checkpoints" / "00000003").is_dir()
