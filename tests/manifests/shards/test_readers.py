"""The shards as every reader that people use sees them: the same tokens, the same documents."""

import json
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import datasets
import numpy as np
import pytest
import webdataset

from manifests.catalog.describe import describe
from manifests.dataset.dataset import Dataset
from manifests.dataset.shard_index import read_shard_table
from manifests.errors import DataError
from manifests.lineage.manifest import load_manifest

TRAIN = ["the-pile/wikipedia-en", "the-stack/cpp", "the-stack/python"]

ENERGON = """
import json, sys
from megatron.energon import (
    Cooker, DefaultTaskEncoder, WorkerConfig, get_loader, get_savable_loader, get_train_dataset,
    get_val_dataset, stateless,
)
from megatron.energon.flavors.webdataset.prepare import WebdatasetPreparator

@stateless
def cook(sample):
    return sample

class Plain(DefaultTaskEncoder):
    cookers = [Cooker(cook)]

    def batch(self, samples):
        return samples

options = dict(
    worker_config=WorkerConfig(rank=0, world_size=1, num_workers=0),
    batch_size=1,
    task_encoder=Plain(),
)
train = get_train_dataset(
    sys.argv[1], shuffle_buffer_size=None, max_samples_per_sequence=None, repeat=False, **options
)
found = {}
for kind, loader in (
    ("train", get_loader(train)),
    ("val", get_loader(get_val_dataset(sys.argv[1], **options))),
):
    found[kind] = {
        sample["__key__"]: [sample["tokens.npy"].tolist(), sample["offsets.npy"].tolist()]
        for (sample,) in loader
    }
print(json.dumps(found))
WebdatasetPreparator.prepare_dataset(
    sys.argv[2], sys.argv[3:], split_parts_ratio=[("train", 1.0)], workers=1
)
"""
"""Read the first dataset and prepare the second one, of which the shards are named. In a process of
its own: Energon's loaders change how this one forks and ends, and its import takes seconds."""


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


@pytest.fixture(scope="module")
def directory(small_dataset_made_once):
    return str(small_dataset_made_once)


@pytest.fixture(scope="module")
def described(tmp_path_factory, make_dataset):
    """A dataset with its card, of components whose names begin alike."""
    directory = tmp_path_factory.mktemp("described") / "tokens"
    texts = {"s/c": ["int a;\n" * 9, "x"], "s/c-sharp": ["var b;\n" * 5], "s/python": ["c = 1\n"]}
    make_dataset(directory, texts, {"s/c": ["int held;", "out"]})
    describe(str(directory), load_manifest(str(directory)), {"MIT": 5}, overwrite=True)
    return str(directory)


def ours(directory, name, heldout=False):
    """Every document of a component, read by our own reader."""
    documents = Dataset.open(directory).component(name, heldout).read_documents()
    return [document.tolist() for document in documents]


def blocks_of(directory, heldout):
    """Key -> tokens and offsets of every block, read by our own reader."""
    dataset = Dataset.open(directory)
    names = dataset.heldout_components if heldout else dataset.components
    result = {}
    for name in names:
        reader = dataset.component(name, heldout).reader
        shards = dataset.shard_range(name, heldout)
        block = 0
        for shard in shards:
            path = dataset.shards["shard"][shard].as_py()
            key = path.removesuffix(".tar").replace("/", "_")
            for number in range(dataset.shards["blocks"][shard].as_py()):
                offsets = reader.offsets(block)
                tokens = reader.tokens(block, 0, int(offsets[-1]))
                result[f"{key}-{number:06d}"] = [tokens.tolist(), offsets.tolist()]
                block += 1
    return result


def documents_of(samples):
    """Put documents together again from (tokens, offsets), as the card of a dataset says."""
    documents: list[list[int]] = []
    for tokens, offsets in samples:
        if offsets[0] > 0:
            documents[-1] += tokens[: offsets[0]]
        documents += [list(tokens[a:b]) for a, b in pairwise(offsets)]
    return documents


def paths(directory, name):
    rows = read_shard_table(directory, load_manifest(directory)).to_pylist()
    selected = [row["shard"] for row in rows if row["component"] == name and not row["heldout"]]
    return [f"{directory}/{path}" for path in selected]


@pytest.mark.parametrize("name", TRAIN)
def test_plain_webdataset(directory, name):
    result = webdataset.WebDataset(paths(directory, name), shardshuffle=False).decode()
    samples = [(s["tokens.npy"].tolist(), s["offsets.npy"].tolist()) for s in result]
    assert documents_of(samples) == ours(directory, name)


@pytest.mark.parametrize("name", TRAIN)
@pytest.mark.parametrize("streaming", [False, True])
def test_hugging_face_datasets(directory, tmp_path, name, streaming):
    rows = datasets.load_dataset(
        "webdataset",
        data_files={"train": paths(directory, name)},
        split="train",
        streaming=streaming,
        cache_dir=str(tmp_path),
    )
    samples = [(row["tokens.npy"], row["offsets.npy"]) for row in rows]
    assert documents_of(samples) == ours(directory, name)


class Energon(NamedTuple):
    """What Energon reads, and a copy of the dataset with the index files that Energon makes."""

    result: dict[str, dict[str, list[list[int]]]]
    copy: Path


@pytest.fixture(scope="module")
def energon(directory, tmp_path_factory):
    copy = shutil.copytree(directory, tmp_path_factory.mktemp("energon") / "copy")
    listed = sorted(str(path.relative_to(copy)) for path in copy.rglob("*.tar"))
    for path in listed:
        Path(copy, f"{path}.idx").unlink()
    shutil.rmtree(copy / ".nv-meta")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ENERGON, directory, str(copy), *listed],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (result,) = (line for line in done.stdout.splitlines() if line.startswith('{"train"'))
    return Energon(json.loads(result), copy)


def test_energon(energon, directory):
    """Its real loaders, over our .nv-meta and .tar.idx, without `energon prepare`."""
    assert energon.result["train"] == blocks_of(directory, heldout=False)
    assert energon.result["val"] == blocks_of(directory, heldout=True)
    assert len(energon.result["val"]) >= 2


def test_energons_own_index_is_ours_to_the_byte(energon, directory):
    def index(root):
        return {str(p.relative_to(root)): p.read_bytes() for p in Path(root).rglob("*.tar.idx")}

    assert index(energon.copy) == index(directory) != {}

    def counts(root):
        return json.loads(Path(root, ".nv-meta/.info.json").read_text())["shard_counts"]

    assert counts(energon.copy) == counts(directory)


def test_the_configs_of_the_card(described, tmp_path):
    """load_dataset(DIR, CONFIG), offline: shards of a component, and of that alone."""
    names = datasets.get_dataset_config_names(described)
    assert names == ["all", "s--c", "s--c-sharp", "s--python"]
    for name in names[1:]:
        result = datasets.load_dataset(described, name, cache_dir=str(tmp_path))
        component = name.replace("--", "/")
        rows = [(row["tokens.npy"], row["offsets.npy"]) for row in result["train"]]
        assert documents_of(rows) == ours(described, component)
        assert ("validation" in result) == (component == "s/c")
    held = datasets.load_dataset(described, "s--c", split="validation", streaming=True)
    rows = [(row["tokens.npy"], row["offsets.npy"]) for row in held]
    assert documents_of(rows) == ours(described, "s/c", heldout=True)


def test_without_a_config_it_is_everything(described, tmp_path):
    result = datasets.load_dataset(described, cache_dir=str(tmp_path))
    assert set(result) == {"train"}
    assert len(result["train"]) == len(blocks_of(described, heldout=False))
    assert Path(described, "README.md").exists()


def test_what_plain_webdataset_takes_in_silence_ours_names(directory, tmp_path):
    """A bit that flipped, and a shard that was cut between two samples."""
    copy = Path(shutil.copytree(directory, tmp_path / "copy"))
    shard = Path(paths(str(copy), "the-stack/python")[0])
    whole = shard.read_bytes()
    index = [int(item) for item in np.fromfile(f"{shard}.idx", dtype="<u8")]
    flipped = bytearray(whole)
    flipped[index[1] - 700] ^= 1
    for harm in (bytes(flipped), whole[: index[3]]):
        shard.write_bytes(harm)
        samples = list(webdataset.WebDataset(str(shard), shardshuffle=False).decode())
        assert len(samples) in (3, len(index) - 1)
        component = Dataset.open(str(copy)).component("the-stack/python")
        with pytest.raises(DataError, match=rf"{shard.name}: (has \d+ bytes|block 0)"):
            component.window(0, component.addresses)
