"""Shards from documents: the ids of `tokenizers`, checked as the job runs."""

import json
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.metrics import MetricsFilter
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to

from manifests.errors import DataError
from manifests.lineage.receipts import Receipt
from manifests.schemas import DOCUMENTS
from manifests.shards.scan import scan_shard
from manifests.tokenizer.tokenizer import encode_documents, load_text_tokenizer
from pipelines.runtime.job import NAMESPACE
from pipelines.runtime.step import done_receipts
from pipelines.tokenize.encoder import Encoder
from pipelines.tokenize.fast_tokenizer import FastTokenizer
from pipelines.tokenize.job import Tokenize
from pipelines.tokenize.kept_documents import KeptTables
from pipelines.tokenize.step import Group, WriteShards, shard_path

TEXTS = ["def f(x):\n    return x\n", "", "x = <sep> <|endoftext|>\n", "\u00e9t\u00e9 " * 300]
GROUP = Group(
    part="0123456789abcdef",
    source="ours",
    component="ours/python",
    heldout=False,
    number=0,
    documents=["part"],
    text_bytes=1000,
)


@pytest.fixture
def step(tmp_path: Path, small_tokenizer: bytes) -> WriteShards:
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
    kept = KeptTables(str(tmp_path / "documents"), str(tmp_path / "duplicates"))
    return WriteShards(str(tmp_path / "dataset"), kept, "uint16", "step")


def test_a_shard_holds_the_ids_of_the_library(step: WriteShards, tmp_path: Path) -> None:
    step.setup()
    step.work(GROUP)
    [receipt] = done_receipts(step, GROUP)
    tokenizer = load_text_tokenizer(str(tmp_path / "dataset" / "tokenizer.json"))
    expected = [len(ids) for ids in encode_documents(tokenizer, TEXTS)]
    path = tmp_path / "dataset" / shard_path(GROUP)
    table = pq.read_table(path.with_suffix(".parquet"))
    assert table["tokens"].to_pylist() == expected
    assert receipt.extra["shard"]["tokens"] == sum(expected)
    assert int(scan_shard(str(path), "uint16")["tokens"].sum()) == sum(expected)


def test_the_transform_writes_shards_in_a_pipeline_of_ones_own(step: WriteShards) -> None:
    groups = [{**GROUP, "part": f"{number:016}", "number": number} for number in range(2)]
    pipeline = TestPipeline(runner=FnApiRunner())
    receipts = pipeline | beam.Create(groups) | "Tokenize" >> Tokenize(step)
    tokens = receipts | beam.Map(lambda receipt: (receipt.name, _tokens(receipt)))
    tokenizer = load_text_tokenizer(str(Path(step.directory) / "tokenizer.json"))
    count = sum(len(ids) for ids in encode_documents(tokenizer, TEXTS))
    expected = [(group["part"], count) for group in groups]
    assert_that(tokens, equal_to(expected))
    result = pipeline.run()
    result.wait_until_finish()
    counters = {
        counter.key.metric.name: counter.result
        for counter in result.metrics().query(MetricsFilter().with_namespace(NAMESPACE))["counters"]
    }
    assert counters["tokens"] == 2 * count
    assert counters["documents_in"] == counters["documents_kept"] == 2 * len(TEXTS)
    assert len(list(Path(step.directory).rglob("*.tar"))) == 2


def _tokens(receipt: Receipt) -> int | None:
    return receipt.funnel["ours"]["ours/python"].tokens


def test_other_ids_than_the_librarys_stop_the_job(step: WriteShards, tmp_path: Path) -> None:
    tokenizer = load_text_tokenizer(str(tmp_path / "dataset" / "tokenizer.json"))
    other = json.loads(tokenizer.to_str())
    other["model"]["merges"] = []
    step.setup()
    step._encoder = Encoder(tokenizer, FastTokenizer(json.dumps(other)), checked=1)
    with pytest.raises(DataError, match=r"^text [0-9a-f]{32}: gigatoken gives other ids"):
        step.work(GROUP)
    assert not list((tmp_path / "dataset").rglob("*.tar"))
