"""Fixtures that several packages' tests share: a small dataset, made as the tokenize job does."""

import hashlib
import os
import random
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from manifests.dataset.writer import DatasetShard, ShardRecord, finish_dataset
from manifests.io import files
from manifests.lineage.manifest import Manifest, Totals, save_manifest
from manifests.lineage.receipts import ComponentFunnel
from manifests.tokenizer.tokenizer import (
    describe_tokenizer,
    encode_documents,
    load_text_tokenizer,
    train_tokenizer,
)
from tests.manifest_only import write_manifest
from tests.outputs import write_output

# The first call of a kernel compiles it, which is no fault of the example.
settings.register_profile("stackpile", deadline=None)
settings.load_profile("stackpile")


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What ScanCode found goes to a cache of this run, not the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True, scope="session")
def no_wait_for_the_disk() -> Iterator[None]:
    """Do not flush files: tests kill processes, not machines, and a flush takes milliseconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


BLOCK_TOKENS = 512
SHARDS = 2
WORDS = ("def", "return", "for", "in", "if", "else", "self", "x", "value", "list", "print", "None")

MakeDataset = Callable[..., str]


def write_documents(
    directory: Path,
    component: str,
    heldout: bool,
    texts: Sequence[str],
    tokens: Sequence[np.ndarray],
) -> list[ShardRecord]:
    """Write a component's documents as SHARDS shards of blocks of BLOCK_TOKENS tokens."""
    records = []
    for number in range(SHARDS):
        folder = "heldout" if heldout else "shards"
        selected = range(number, len(texts), SHARDS)
        path = f"{folder}/{component}-{number:05d}-0123abcd.tar"
        with DatasetShard(
            str(directory),
            path,
            component,
            heldout=heldout,
            dtype="uint16",
            block_tokens=BLOCK_TOKENS,
        ) as shard:
            for row in selected:
                text = texts[row].encode()
                shard.add(
                    tokens[row],
                    id=hashlib.blake2b(f"{component}{row}".encode(), digest_size=16).digest(),
                    text_hash=hashlib.blake2b(text, digest_size=16).digest(),
                    repositories=[f"owner/{component.split('/')[1]}-{row % 7}"],
                    path=f"src/{row}.txt",
                    license="MIT" if row % 3 else None,
                    text_bytes=len(text),
                )
            records.append(shard.close())
    return records


def write_dataset(
    directory: Path,
    texts: Mapping[str, Sequence[str]],
    heldout: Mapping[str, Sequence[str]],
    tokenizer: bytes,
) -> str:
    """Write a whole dataset of texts and return its directory."""
    path = directory / "tokenizer.json"
    files.write_bytes(str(path), tokenizer)
    text_tokenizer = load_text_tokenizer(str(path))
    records: list[ShardRecord] = []
    for kind, components in ((False, texts), (True, heldout)):
        for component, documents in components.items():
            tokens = encode_documents(text_tokenizer, documents)
            records += write_documents(directory, component, kind, documents, tokens)
    summary = finish_dataset(str(directory), records)
    funnel = _funnel(records)
    flat = [counted for components in funnel.values() for counted in components.values()]
    totals = Totals(
        parts=len(records),
        documents_in=summary.documents,
        bytes_in=sum(counted.bytes_in for counted in flat),
        documents=summary.documents,
        bytes=sum(counted.bytes for counted in flat),
        **summary.sizes,
    )
    manifest = Manifest(
        step="tokenize",
        digest="0" * 64,
        config={"tokenizer": "made by tests"},
        totals=totals,
        funnel=funnel,
        tables={**summary.tables, "tokenizer.json": files.sha256(str(path))},
        tokenizer=describe_tokenizer(str(path)),
        components=summary.components,
        heldout_components=summary.heldout_components,
    )
    save_manifest(str(directory), manifest)
    return str(directory)


def _funnel(records: Iterable[ShardRecord]) -> dict[str, dict[str, ComponentFunnel]]:
    funnel: dict[str, dict[str, ComponentFunnel]] = {}
    for record in records:
        components = funnel.setdefault(record.component.split("/")[0], {})
        components[record.component] = components.get(
            record.component, ComponentFunnel()
        ) + ComponentFunnel(
            documents_in=record.documents,
            bytes_in=record.text_bytes,
            documents=record.documents,
            bytes=record.text_bytes,
            tokens=record.tokens,
        )
    return funnel


def made_up_text(generator: random.Random) -> str:
    """Return some lines of words: none, a few, or (one text in forty) more than fit a block."""
    count = generator.choice([0, 1, 5, 20, 60, 120] * 7 + [1500])
    words = [generator.choice(WORDS) for _ in range(count)]
    return "".join(word + generator.choice(["\n    ", "(", ") ", " = ", "\n"]) for word in words)


@pytest.fixture(scope="session")
def small_tokenizer() -> bytes:
    """A tokenizer.json of about 350 ids with 32 masks, trained on made-up code."""
    generator = random.Random(0)
    return train_tokenizer([made_up_text(generator) for _ in range(200)], 380, 32)


@pytest.fixture(scope="session")
def make_dataset(small_tokenizer: bytes) -> MakeDataset:
    """`make_dataset(directory, {component: texts}, {component: heldout texts}) -> directory`."""

    def make(
        directory: Path,
        texts: Mapping[str, Sequence[str]],
        heldout: Mapping[str, Sequence[str]] | None = None,
    ) -> str:
        return write_dataset(directory, texts, heldout or {}, small_tokenizer)

    return make


@pytest.fixture(scope="session")
def small_dataset_made_once(
    tmp_path_factory: pytest.TempPathFactory, make_dataset: MakeDataset
) -> Path:
    """The original of `small_dataset`: to be read, not changed."""
    generator = random.Random(1)
    sizes = {"the-stack/python": 120, "the-stack/cpp": 80, "the-pile/wikipedia-en": 60}
    texts = {name: [made_up_text(generator) for _ in range(n)] for name, n in sizes.items()}
    heldout = {"the-stack/python": [made_up_text(generator) for _ in range(12)]}
    directory = tmp_path_factory.mktemp("dataset") / "tokenize-small"
    make_dataset(directory, texts, heldout)
    return directory


@pytest.fixture
def small_dataset(tmp_path: Path, small_dataset_made_once: Path) -> str:
    """A dataset directory of three components (one with heldout shards), the test's own copy."""
    directory = tmp_path / "tokenize-small"
    shutil.copytree(small_dataset_made_once, directory)
    return str(directory)


@pytest.fixture(scope="session")
def made_up_dataset() -> Callable[..., str]:
    """`made_up_dataset(directory, {component: addresses}, heldout, tokenizer) -> directory`."""
    return write_manifest


@pytest.fixture(scope="session")
def output_made_once(tmp_path_factory: pytest.TempPathFactory, small_tokenizer: bytes) -> Path:
    """The original of `output`: to be read, not changed."""
    directory = tmp_path_factory.mktemp("output") / "out"
    write_output(directory, small_tokenizer)
    return directory


@pytest.fixture
def output(tmp_path: Path, output_made_once: Path) -> Path:
    """out/ of three finished jobs over two sources, the test's own copy."""
    directory = tmp_path / "out"
    shutil.copytree(output_made_once, directory)
    return directory
