"""An opt-out where the dataset lies in an object store: forgotten, compacted, as on a disk."""

from pathlib import Path

import pytest

from manifests.dataset.dataset import Dataset
from manifests.io import files
from manifests.lineage.chain import load_chain
from manifests.verify.verify import verify
from pipelines.maintain.compact import compact
from pipelines.maintain.forget import ForgetRequest, forget
from pipelines.runtime.runners import Runner
from tests.datasets import Document, write_documents
from tests.object_store import BUCKET, serving

ONE = Runner(options=("--direct_num_workers=1",))


def held(directory):
    component = Dataset.open(directory).component("own/a")
    return [tokens.tolist() for tokens in component.read_documents()]


def test_forget_and_compact(tmp_path, small_tokenizer):
    rows = [Document(n, 20, repositories=[f"o/{n % 5}"]) for n in range(40)]
    local = write_documents(tmp_path / "tokenize-a", rows, small_tokenizer)
    with pytest.MonkeyPatch.context() as patch, serving(patch):
        root = f"s3://{BUCKET}/opt-out"
        for path in Path(local).rglob("*"):
            if path.is_file():
                files.write_bytes(f"{root}/tokenize-a/{path.relative_to(local)}", path.read_bytes())
        stored = f"{root}/tokenize-a"
        assert not Dataset.open(stored).tombstones
        summary = forget(stored, ForgetRequest.of(owners=["nobody"]))
        assert summary["tombstone"] is None
        (tmp_path / "list").write_text("o/3\n")
        asked = ForgetRequest.of([str(tmp_path / "list")])
        names = [forget(place, asked)["tombstone"].rsplit("/", 1)[1] for place in (local, stored)]
        assert names[0] == names[1]
        assert held(stored) == held(local)
        compact(stored, f"{root}/tokenize-b", ONE)
        compact(local, str(tmp_path / "tokenize-b"), ONE)
        assert held(f"{root}/tokenize-b") == held(local)
        tables = [
            files.read_bytes(f"{place}/tokenize-b/shards.parquet") for place in (root, tmp_path)
        ]
        assert tables[0] == tables[1]
        assert verify(load_chain(f"{root}/tokenize-b")).faults == []
