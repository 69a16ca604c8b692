"""Tombstones: a union of files, each bound to the shards it speaks of."""

import hashlib
import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.dataset.tombstone_file import TOMBSTONE, tombstone_url
from manifests.dataset.tombstones import Tombstones, joined, write_tombstone
from manifests.errors import DataError
from manifests.io import files
from manifests.lineage.manifest import load_manifest

SIZES = {"own/a": 1000, "own/b": 500}


@pytest.fixture
def dataset(tmp_path, made_up_dataset):
    return made_up_dataset(tmp_path / "tokenize-a", SIZES, {"own/a": 300})


def table(*rows):
    names = TOMBSTONE.names
    full = [dict(zip(names, (*row, "repository x/y"), strict=True)) for row in rows]
    return pa.Table.from_pylist(full, schema=TOMBSTONE)


def write(dataset, *rows):
    return write_tombstone(dataset, load_manifest(dataset), table(*rows))


def read(dataset):
    return Tombstones(dataset, load_manifest(dataset))


def test_none(dataset):
    stones = read(dataset)
    assert not stones
    assert stones.components == []
    result = stones.ranges("own/a")
    assert (result.shape, result.dtype) == ((0, 2), np.int64)


def test_ranges_are_the_union_of_all_joined_where_they_touch(dataset):
    one = write(dataset, ("own/a", False, 50, 60), ("own/a", False, 10, 20), ("own/a", True, 0, 5))
    two = write(dataset, ("own/a", False, 20, 21), ("own/a", False, 10, 20), ("own/b", False, 0, 9))
    stones = read(dataset)
    assert stones.names == tuple(sorted([one, two]))
    assert stones.components == [("own/a", False), ("own/a", True), ("own/b", False)]
    assert stones.ranges("own/a").tolist() == [[10, 21], [50, 60]]
    assert stones.ranges("own/a", heldout=True).tolist() == [[0, 5]]
    assert stones.ranges("own/b", heldout=True).tolist() == []
    assert stones.ranges("own/a", names=[two]).tolist() == [[10, 21]]
    assert stones.ranges("own/a", names=[]).tolist() == []
    assert stones.of("own/a") == stones.names
    assert stones.of("own/b") == (two,)
    forgotten = stones.forgotten("own/a")
    assert (forgotten.documents, forgotten.tokens) == (3, 9 + 9 + 0)
    assert stones.reasons("own/a", False, 20) == ["repository x/y"]
    assert stones.reasons("own/a", False, 21) == []


def test_a_tombstone_is_named_by_its_content(dataset):
    rows = ("own/a", False, 10, 20), ("own/b", False, 30, 40)
    assert write(dataset, *rows) == write(dataset, *reversed(rows))
    assert len(read(dataset).names) == 1


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.data())
def test_ranges_hold_the_addresses_of_the_documents_and_no_others(lengths, data):
    ends = np.cumsum(lengths)
    starts = ends - lengths
    chosen = data.draw(st.lists(st.integers(0, len(lengths) - 1), unique=True))
    pairs = [[starts[i], ends[i]] for i in sorted(chosen)]
    result = joined(np.array(pairs, np.int64).reshape(-1, 2))
    inside = {x for start, stop in result.tolist() for x in range(start, stop)}
    assert inside == {x for i in chosen for x in range(starts[i], ends[i])}
    assert (result[1:, 0] > result[:-1, 1]).all()


def rewritten(dataset, name, data):
    """Put other bytes in a tombstone's place under the name that they give."""
    other = hashlib.sha256(data).hexdigest()[:32]
    files.remove(tombstone_url(dataset, name))
    files.write_bytes(tombstone_url(dataset, other), data)
    return other


def as_parquet(table):
    output = io.BytesIO()
    pq.write_table(table, output)
    return output.getvalue()


def test_a_tombstone_of_another_dataset(dataset, tmp_path, made_up_dataset):
    other = made_up_dataset(tmp_path / "tokenize-b", {"own/a": 999})
    name = write(other, ("own/a", False, 1, 2))
    data = files.read_bytes(tombstone_url(other, name))
    files.write_bytes(tombstone_url(dataset, name), data)
    with pytest.raises(DataError, match=rf"{name}\.parquet: belongs to another dataset: .* own/a "):
        read(dataset).ranges("own/b")


def test_a_tombstone_that_was_edited_or_is_gone(dataset):
    name = write(dataset, ("own/a", False, 1, 2))
    opened = read(dataset)
    url = tombstone_url(dataset, name)
    files.write_bytes(url, files.read_bytes(url)[:-1])
    with pytest.raises(DataError, match="its SHA-256 is not its name"):
        opened.ranges("own/a")
    files.remove(url)
    with pytest.raises(DataError, match="the tombstone is missing"):
        opened.ranges("own/a")
    with pytest.raises(DataError, match="the tombstone is missing"):
        read(dataset).ranges("own/a", names=[name])


@pytest.mark.parametrize("rows", [[(3, 3)], [(-1, 4)], [(990, 1001)], [(1, 9), (5, 12)]])
def test_rows_that_are_no_documents(dataset, rows):
    write(dataset, *(("own/a", False, *row) for row in rows))
    with pytest.raises(DataError, match="its rows are not documents of own/a in order"):
        read(dataset).ranges("own/a")


def test_two_that_cut_differently(dataset):
    write(dataset, ("own/a", False, 1, 9))
    write(dataset, ("own/a", False, 5, 12))
    with pytest.raises(DataError, match="cut own/a at different documents"):
        read(dataset).ranges("own/a")


def test_files_that_are_no_tombstones(dataset):
    name = write(dataset, ("own/a", False, 1, 2))
    name = rewritten(dataset, name, b"PAR1")
    with pytest.raises(DataError, match="is not a tombstone"):
        read(dataset).of("own/a")
    plain = table(("own/a", False, 1, 2))
    name = rewritten(dataset, name, as_parquet(plain))
    with pytest.raises(DataError, match="is not a tombstone"):
        read(dataset).of("own/a")
    newer = plain.replace_schema_metadata({b"stackpile": b'{"version":2}'})
    name = rewritten(dataset, name, as_parquet(newer))
    with pytest.raises(DataError, match="has version 2; this program reads up to 1"):
        read(dataset).of("own/a")
    fewer = plain.drop_columns(["reason"]).replace_schema_metadata({b"stackpile": b"{}"})
    rewritten(dataset, name, as_parquet(fewer))
    with pytest.raises(DataError, match="its columns are"):
        read(dataset).of("own/a")


def test_what_is_forgotten_of_a_component_is_found_once(dataset):
    """It is asked for again for each of its shards."""
    one = write(dataset, ("own/a", False, 10, 20), ("own/a", True, 0, 5))
    stones = read(dataset)
    result = stones.documents("own/a")
    assert stones.documents("own/a") is result
    assert stones.documents("own/a", names=[one]) is result
    two = write(dataset, ("own/a", False, 30, 40))
    later = read(dataset)
    assert later.documents("own/a").tolist() == [[10, 20], [30, 40]]
    assert later.documents("own/a", names=[two]).tolist() == [[30, 40]]
    assert later.documents("own/a", heldout=True).tolist() == [[0, 5]]


def test_one_that_does_not_fit_is_refused_each_time(dataset):
    write(dataset, ("own/a", False, 990, 1001))
    opened = read(dataset)
    for _ in range(2):
        with pytest.raises(DataError, match="its rows are not documents of own/a"):
            opened.ranges("own/a")
