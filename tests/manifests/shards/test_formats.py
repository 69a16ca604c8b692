"""docs/formats.md is enough to read shards: a second reader was written from it alone."""

import ast
import struct
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from manifests.dataset.dataset import Dataset
from manifests.shards.writer import ShardWriter
from tests import second_reader

PACKAGES = {"filters", "manifests", "objectives", "pipelines", "trainer", "tests"}


def test_the_second_reader_imports_nothing_of_ours():
    tree = ast.parse(Path(second_reader.__file__).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [n.name for node in imports for n in node.names]
    names += [node.module or "" for node in imports if isinstance(node, ast.ImportFrom)]
    assert not {name.split(".")[0] for name in names} & PACKAGES


def test_the_block_table_leads_to_every_document(small_dataset):
    ours = Dataset.open(small_dataset)
    rows = ours.shards.to_pylist()
    blocks = second_reader.blocks_by_table(Path(small_dataset), ours.tokenizer.dtype)
    by_shard = {
        shard: second_reader.documents([(offsets, tokens) for _, offsets, tokens in group])
        for shard, group in groupby(blocks, key=lambda block: block[0])
    }
    for name, heldout in [*((n, False) for n in ours.components), ("the-stack/python", True)]:
        shards = [r["shard"] for r in rows if (r["component"], r["heldout"]) == (name, heldout)]
        result = [document for shard in shards for document in by_shard[shard]]
        expected = ours.component(name, heldout).read_documents()
        assert result == [tokens.tolist() for tokens in expected]


def test_headers_index_and_table_of_documents_agree(small_dataset):
    ours = Dataset.open(small_dataset)
    for row in ours.shards.to_pylist():
        path = Path(small_dataset) / row["shard"]
        blocks = list(second_reader.blocks_by_headers(path, ours.tokenizer.dtype))
        index = [value for (value,) in struct.iter_unpack("<Q", Path(f"{path}.idx").read_bytes())]
        assert [start for start, _, _ in blocks] == index[:-1]
        assert path.stat().st_size == index[-1] + 1024
        documents = second_reader.documents([block[1:] for block in blocks])
        table = pq.read_table(path.with_suffix(".parquet")).to_pylist()
        assert [len(document) for document in documents] == [entry["tokens"] for entry in table]
        for entry, document in zip(table, documents, strict=True):
            tokens = blocks[entry["block"]][2][entry["start"] :]
            assert list(tokens[: len(document)]) == document[: len(tokens)]


@pytest.mark.parametrize("dtype", ["uint16", "uint32"])
@pytest.mark.parametrize("lengths", [[], [0], [3, 0, 5], [20, 0, 2], [8, 8, 0, 17, 1, 0, 40]])
def test_long_and_empty_documents_come_back(tmp_path, lengths, dtype):
    path = tmp_path / "a.tar"
    generator = np.random.default_rng(0)
    written = [generator.integers(0, 60_000, length, dtype=dtype) for length in lengths]
    with ShardWriter(str(path), "a", dtype, block_tokens=8) as writer:
        for document in written:
            writer.add(document)
    blocks = second_reader.blocks_by_headers(path, dtype)
    documents = second_reader.documents([block[1:] for block in blocks])
    assert documents == [document.tolist() for document in written]
