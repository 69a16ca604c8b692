"""Documents by their numbers, in any order: the same tokens as reading all of them in a row."""

from itertools import pairwise
from pathlib import Path

import fsspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.dataset.dataset import Dataset
from manifests.errors import DataError, UsageError

PYTHON = "the-stack/python"


@pytest.fixture(scope="module")
def whole(small_dataset_made_once):
    return Dataset.open(str(small_dataset_made_once))


def pieces(found):
    return [found.tokens[a:b].tolist() for a, b in pairwise(found.starts.tolist())]


@settings(max_examples=50)
@given(st.data())
def test_any_documents_in_any_order(whole, data):
    component = whole.component(data.draw(st.sampled_from(whole.components)))
    documents = [document.tolist() for document in component.read_documents()]
    numbers = data.draw(st.lists(st.integers(0, component.documents - 1), max_size=20))
    result = component.gather(np.array(numbers, dtype=np.int64))
    assert pieces(result) == [documents[number] for number in numbers]
    assert result.tokens.dtype == np.uint16


@settings(max_examples=15)
@given(st.lists(st.sampled_from(["", "x", "a b " * 50, "value " * 900, "y\n" * 2000]), min_size=1))
def test_documents_of_many_blocks_and_of_none(tmp_path_factory, make_dataset, texts):
    directory = make_dataset(tmp_path_factory.mktemp("gather"), {"s/c": texts * 2})
    component = Dataset.open(directory).component("s/c")
    documents = [document.tolist() for document in component.read_documents()]
    order = np.random.default_rng(len(texts)).permutation(len(documents))
    assert pieces(component.gather(order)) == [documents[number] for number in order]


def test_a_list_of_numbers_will_do_and_none_give_none(whole):
    component = whole.component(PYTHON)
    assert pieces(component.gather([3, 3]))[0] == list(component.read_documents())[3].tolist()
    assert component.gather([]).starts.tolist() == [0]


@pytest.mark.parametrize("number", [-1, 120])
def test_a_number_without_a_document_is_a_bad_call(whole, number):
    with pytest.raises(UsageError, match=r"the-stack/python: has documents 0 to 119 only"):
        whole.component(PYTHON).gather([0, number])


def test_an_object_store_gives_the_same(whole, small_dataset_made_once):
    fsspec.filesystem("memory").put(str(small_dataset_made_once), "/gather/data", recursive=True)
    remote = Dataset.open("memory://gather/data").component(PYTHON)
    numbers = np.arange(120)[::-1]
    assert pieces(remote.gather(numbers)) == pieces(whole.component(PYTHON).gather(numbers))


def shard(directory, number=0):
    return Path(directory) / "shards" / f"{PYTHON}-{number:05d}-0123abcd.tar"


def test_a_flipped_bit_is_named(small_dataset):
    data = bytearray(shard(small_dataset).read_bytes())
    data[2000] ^= 1
    shard(small_dataset).write_bytes(data)
    component = Dataset.open(small_dataset).component(PYTHON)
    with pytest.raises(
        DataError, match=r"python-00000-0123abcd\.tar: block 0, .*: its checksum is"
    ):
        component.gather(np.arange(component.documents))


def test_a_missing_shard_is_named(small_dataset):
    shard(small_dataset).unlink()
    component = Dataset.open(small_dataset).component(PYTHON)
    with pytest.raises(DataError, match=r"python-00000-0123abcd\.tar: the shard is missing"):
        component.gather([0])


def test_a_shard_that_shrinks_while_it_is_open_is_named(tmp_path, make_dataset):
    directory = make_dataset(tmp_path, {PYTHON: [f"x = {number}\n" for number in range(80)]})
    component = Dataset.open(directory).component(PYTHON)
    numbers = np.arange(component.documents)
    component.gather(numbers)
    with shard(directory).open("r+b") as file:
        file.truncate(1500)
    with pytest.raises(
        DataError, match=r"python-00000-.*: ends before byte \d+; it became shorter"
    ):
        component.gather(numbers)


@pytest.mark.parametrize("offsets", [[0, 9, 4, 12], [0, 4, 9, 99]])
def test_offsets_that_do_not_ascend_are_never_followed(
    tmp_path, make_dataset, monkeypatch, offsets
):
    """A shard whose checksums are right, and whose offsets lead out of memory."""
    directory = make_dataset(tmp_path, {PYTHON: ["a b c d"] * 6})
    component = Dataset.open(directory).component(PYTHON)
    ends = np.array(offsets[1:], dtype=np.int64) + np.arange(3)
    monkeypatch.setattr(component.reader, "ends", lambda block: ends)
    with pytest.raises(DataError, match=r"the offsets of a block do not ascend to its \d+ tokens"):
        component.gather([0, 1, 2])
