"""Shards from documents: the ids of `tokenizers`, checked as the job runs."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.errors import DataError
from manifests.schemas import DOCUMENTS
from manifests.shards.scan import scan_shard
from manifests.tokenizer.tokenizer import encode_documents, load_text_tokenizer
from pipelines.tokenize.encoder import Encoder
from pipelines.tokenize.fast_tokenizer import FastTokenizer
from pipelines.tokenize.step import Tokenize, shard_path

TEXTS = ["def f(x):\n    return x\n", "", "x = <sep> <|endoftext|>\n", "\u00e9t\u00e9 " * 300]
ROW = {
    **{"part": "0123456789abcdef", "source": "ours", "component": "ours/python"},
    **{"heldout": False, "number": 0, "documents": ["part"], "text_bytes": 1000},
}


@pytest.fixture
def step(tmp_path: Path, small_tokenizer: bytes) -> Tokenize:
    """A step over one part of four documents, none of them a duplicate."""
    rows = [
        {
            **{"id": bytes([number] * 16), "source": "ours", "component": "ours/python"},
            **{"repositories": ["a/b"], "path": f"{number}.py", "license": "MIT"},
            **{"license_layer": "repository", "stars": None, "heldout": False},
            **{"bytes": len(text.encode()), "text": text},
        }
        for number, text in enumerate(TEXTS)
    ]
    for name in ("documents", "duplicates", "dataset"):
        (tmp_path / name).mkdir()
    table = pa.Table.from_pylist(rows, schema=DOCUMENTS)
    pq.write_table(table, tmp_path / "documents" / "part.parquet")
    gone = pa.table({"row": pa.array([], pa.uint32())})
    pq.write_table(gone, tmp_path / "duplicates" / "part.parquet")
    (tmp_path / "dataset" / "tokenizer.json").write_bytes(small_tokenizer)
    dataset, documents, duplicates = (
        str(tmp_path / name) for name in ("dataset", "documents", "duplicates")
    )
    made = Tokenize(dataset, documents, duplicates, "uint16", "step")
    made.setup()
    return made


def test_a_shard_holds_the_ids_of_the_library(step: Tokenize, tmp_path: Path) -> None:
    [receipt] = step.work(ROW)
    tokenizer = load_text_tokenizer(str(tmp_path / "dataset" / "tokenizer.json"))
    expected = [len(ids) for ids in encode_documents(tokenizer, TEXTS)]
    path = tmp_path / "dataset" / shard_path(ROW)
    table = pq.read_table(path.with_suffix(".parquet"))
    assert table["tokens"].to_pylist() == expected
    assert receipt.extra["shard"]["tokens"] == sum(expected)
    assert int(scan_shard(str(path), "uint16")["tokens"].sum()) == sum(expected)


def test_other_ids_than_the_librarys_stop_the_job(step: Tokenize, tmp_path: Path) -> None:
    tokenizer = load_text_tokenizer(str(tmp_path / "dataset" / "tokenizer.json"))
    other = json.loads(tokenizer.to_str())
    other["model"]["merges"] = []
    step._encoder = Encoder(tokenizer, FastTokenizer(json.dumps(other)), checked=1)
    with pytest.raises(DataError, match=r"^text [0-9a-f]{32}: gigatoken gives other ids"):
        list(step.work(ROW))
    assert not list((tmp_path / "dataset").rglob("*.tar"))
