"""What the benchmark opens is a dataset in every respect but that it has no shards."""

import pytest

from benchmarks import open_dataset
from manifests.dataset.dataset import Dataset
from manifests.errors import DataError
from manifests.lineage.chain import load_chain
from pipelines.inspect.summary import summarize


def test_the_made_up_dataset_opens(tmp_path):
    open_dataset.make(tmp_path, shards=12, languages=3)
    dataset = Dataset.open(str(tmp_path))
    assert len(dataset.components) == 3
    tokens = [dataset.component(name).tokens for name in dataset.components]
    assert sum(tokens) == summarize(load_chain(str(tmp_path)))["totals"]["tokens"]
    with pytest.raises(DataError, match="the shard is missing"):
        dataset.component(dataset.components[0]).gather([0])
