import json
import re
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from manifests.errors import DataError
from manifests.verify.repair import repair
from pipelines.commands import register

REBUILT = [
    "blocks.bin",
    ".nv-meta/dataset.yaml",
    ".nv-meta/split.yaml",
    ".nv-meta/.info.json",
]


@pytest.fixture
def dataset(output):
    return output / "tokenize-small"


def content(dataset: Path) -> dict[str, bytes]:
    return {
        path.relative_to(dataset).as_posix(): path.read_bytes()
        for path in sorted(dataset.rglob("*"))
        if path.is_file()
    }


def test_a_dataset_in_order_is_left_as_it_is(dataset):
    before = content(dataset)
    assert repair(str(dataset)) == []
    assert content(dataset) == before


def test_lost_and_wrong_files_are_written_as_they_were(dataset):
    before = content(dataset)
    shutil.rmtree(dataset / ".nv-meta")
    (dataset / "blocks.bin").write_bytes(bytes(24))
    indexes = sorted(path for path in before if path.endswith(".tar.idx"))
    (dataset / indexes[0]).unlink()
    (dataset / indexes[1]).write_bytes(b"")
    assert sorted(repair(str(dataset))) == sorted([*REBUILT, *indexes[:2]])
    assert content(dataset) == before


def test_the_block_table_is_not_rebuilt_from_other_shards(dataset):
    first, second = sorted(dataset.glob("shards/*/*.tar"))[:2]
    first.write_bytes(second.read_bytes())
    (dataset / "blocks.bin").unlink()
    with pytest.raises(DataError, match=r"its shards do not give the blocks\.bin of manifest\.jso"):
        repair(str(dataset))
    assert not (dataset / "blocks.bin").exists()


def test_a_missing_shard_is_named(dataset):
    shard = min(dataset.glob("shards/*/*.tar"))
    shard.unlink()
    (dataset / "blocks.bin").unlink()
    with pytest.raises(DataError, match=re.escape(f"{shard}: the shard is missing")):
        repair(str(dataset))


def test_a_directory_without_shards_cannot_be_repaired(output):
    with pytest.raises(DataError, match="is the output of dedup: it has no shards"):
        repair(str(output / "dedup"))


def test_the_command_names_each_file_that_it_rebuilt(output, dataset):
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    (dataset / "blocks.bin").unlink()
    done = CliRunner().invoke(app, ["repair", str(output)], catch_exceptions=False)
    assert f"{dataset}/blocks.bin: rebuilt" in done.stdout
    assert "1 file rebuilt" in done.stdout
    again = CliRunner().invoke(app, ["repair", str(output), "--json"], catch_exceptions=False)
    assert json.loads(again.stdout) == {"directory": str(dataset), "rebuilt": []}
