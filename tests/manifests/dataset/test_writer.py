import numpy as np
import pytest

from manifests.dataset.writer import DatasetShard

PATH = "shards/s/c-00000-0123abcd.tar"


def open_shard(directory):
    return DatasetShard(str(directory), PATH, "s/c", heldout=False, dtype="uint16")


def add_document(shard):
    shard.add(
        np.arange(3), id=bytes(16), text_hash=bytes(16), repositories=[], path="a", license=None,
        text_bytes=3,
    )  # fmt: skip


def files_below(directory):
    return sorted(path.name for path in directory.rglob("*") if path.is_file())


def test_the_end_of_the_block_finishes_all_three_files(tmp_path):
    with open_shard(tmp_path) as shard:
        add_document(shard)
    stem = "c-00000-0123abcd"
    assert files_below(tmp_path) == [f"{stem}.parquet", f"{stem}.tar", f"{stem}.tar.idx"]
    record = shard.close()
    assert record.documents == 1 and shard.close() is record


def test_an_error_in_the_block_leaves_no_file(tmp_path):
    with pytest.raises(KeyError), open_shard(tmp_path) as shard:
        add_document(shard)
        raise KeyError
    assert files_below(tmp_path) == []
