"""Tags of texts: kept, stripped, or converted to control ids."""

import tarfile
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.errors import UsageError
from manifests.schemas import DOCUMENTS
from manifests.shards.scan import scan_shard
from manifests.tokenizer.tokenizer import encode_documents, load_text_tokenizer
from pipelines.corpus.source_table import TagMode
from pipelines.runtime.step import done_receipts
from pipelines.tokenize.kept_documents import KeptTables
from pipelines.tokenize.step import Group, WriteShards, shard_path
from pipelines.tokenize.tags import cut_at_tags, resolve_mode, split_tags, tag_ids
from tests.pipelines.tokenize.conftest import trained

COMMIT = "<commit_before>é<commit_msg>m<commit_after>b <commit_msg>"
PLACES = [0, 17, 30]
PREFIX = ["<reponame>", "a/b", "<gh_stars>", "0\n"]
IDS = {"<commit_before>": 1, "<commit_msg>": 2, "<commit_after>": 3, "<reponame>": 4}


@pytest.mark.parametrize(
    ("mode", "commit", "code"),
    [
        ("keep", [COMMIT], ["<reponame>a/b<gh_stars>0\nx"]),
        ("strip", ["é\nm\nb <commit_msg>"], ["x"]),
        # The vocabulary lacks <gh_stars>, which stays text.
        ("convert", [1, "é", 2, "m", 3, "b <commit_msg>"], [4, "a/b<gh_stars>0\nx"]),
    ],
)
def test_confirmed_tags_are_kept_stripped_or_converted(
    mode: TagMode, commit: list[str | int], code: list[str | int]
) -> None:
    assert split_tags(COMMIT, None, PLACES, mode, IDS) == commit
    assert split_tags("x", PREFIX, None, mode, IDS) == code
    assert split_tags("", None, None, mode, IDS) == [""]


def test_both_kinds_of_tags_are_counted() -> None:
    texts = [COMMIT, "<reponame> is a tag", "x"]
    columns = {"text": texts, "prefix": [None, None, PREFIX], "tags": [PLACES, None, None]}
    schema = pa.schema([DOCUMENTS.field(name) for name in columns])
    counts = Counter[str]()
    pieces = cut_at_tags(pa.table(columns, schema=schema), "convert", IDS, counts)
    assert counts == {"confirmed": 5, "text": 2}
    assert pieces.texts.to_pylist() == [
        *["é", "m", "b <commit_msg>", "<reponame> is a tag", "a/b<gh_stars>0\nx"]
    ]
    assert cut_at_tags(pa.table(columns, schema=schema), None, IDS, Counter()).pieces is None


def test_tags_are_converted_if_the_vocabulary_has_them() -> None:
    assert resolve_mode(None, IDS, "star") == "convert"
    assert resolve_mode(None, {}, "star") == "strip"
    assert resolve_mode("keep", IDS, "star") == "keep"
    with pytest.raises(UsageError, match=r"source star: tags = \"convert\": the tokenizer has no"):
        resolve_mode("convert", {}, "star")


def test_a_shard_holds_the_ids_of_confirmed_tags(tmp_path: Path) -> None:
    def with_tags(parsed):
        flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
        parsed["added_tokens"] += [
            {"id": 420 + number, "content": name, "special": False, **flags}
            for number, name in enumerate(IDS)
        ]

    for name in ("documents", "duplicates", "dataset"):
        (tmp_path / name).mkdir()
    common: dict[str, Any] = {"source": "star", "component": "star/git-commits"}
    common |= {
        "repositories": [],
        "path": "",
        "license": None,
        "license_layer": "source",
        "stars": None,
        "heldout": False,
    }
    rows = [
        {**common, "id": bytes(16), "bytes": 60, "text": COMMIT, "tags": PLACES},
        {**common, "id": bytes([1] * 16), "bytes": 30, "text": COMMIT},
    ]
    table = pa.Table.from_pylist(rows, schema=DOCUMENTS)
    pq.write_table(table, tmp_path / "documents/part.parquet")
    gone = pa.table({"row": pa.array([], pa.uint32())})
    pq.write_table(gone, tmp_path / "duplicates/part.parquet")
    tokenizer = tmp_path / "dataset/tokenizer.json"
    tokenizer.write_bytes(trained(with_tags))
    kept = KeptTables(str(tmp_path / "documents"), str(tmp_path / "duplicates"))
    modes: dict[str, TagMode] = {"star": "convert"}
    step = WriteShards(str(tmp_path / "dataset"), kept, "uint16", "step", (), modes)
    step.setup()
    group = Group(
        part="0123456789abcdef",
        source="star",
        component="star/git-commits",
        heldout=False,
        number=0,
        documents=["part"],
        text_bytes=90,
    )
    step.work(group)
    [receipt] = done_receipts(step, group)
    assert receipt.counts["tags"] == {"confirmed": 3, "text": 5}
    ids = tag_ids(str(tokenizer))
    assert ids["<commit_msg>"] == 421
    texts = ["é", "m", "b <commit_msg>", COMMIT]
    parts = encode_documents(load_text_tokenizer(str(tokenizer)), texts)
    before, message, after = ([ids[f"<commit_{name}>"]] for name in ("before", "msg", "after"))
    first = np.concatenate([before, parts[0], message, parts[1], after, parts[2]])
    path = tmp_path / "dataset" / shard_path(group)
    assert pq.read_table(path.with_suffix(".parquet"))["tokens"].to_pylist() == [
        len(first),
        len(parts[3]),
    ]
    with tarfile.open(path) as tar:
        (member,) = [item for item in tar if item.name.endswith("tokens.npy")]
        data = tar.extractfile(member)
        assert data is not None
        tokens = np.load(BytesIO(data.read()), allow_pickle=False)
    np.testing.assert_array_equal(tokens, np.concatenate([first, parts[3]]))
    assert int(scan_shard(str(path), "uint16")["tokens"].sum()) == len(tokens)
