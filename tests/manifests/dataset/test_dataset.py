"""A dataset read: rings of addresses, origins, and every fault named."""

import json
import os
import pickle
import shutil
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manifests.dataset.dataset import Dataset
from manifests.dataset.shard_index import read_shard_rows
from manifests.dataset.writer import DatasetShard
from manifests.errors import DataError, UsageError
from manifests.io import files
from manifests.lineage.manifest import Manifest, Totals, load_manifest, save_manifest
from manifests.shards import block_table
from manifests.shards.reader import FileHandlePool, ShardFile
from manifests.shards.scan import scan_shard
from manifests.tokenizer.tokenizer import encode_documents, load_text_tokenizer

END = 9999
PYTHON = "the-stack/python"


@pytest.fixture(scope="module")
def whole(small_dataset_made_once):
    return Dataset.open(str(small_dataset_made_once))


def ring(component):
    """Every address of a component, and the document of each, by reading all documents."""
    documents = [np.append(tokens.astype(np.int64), END) for tokens in component.read_documents()]
    numbers = np.repeat(np.arange(len(documents)), [len(document) for document in documents])
    return np.concatenate(documents), numbers


def shard_path(directory, name=PYTHON, number=0, suffix=".tar"):
    return Path(directory) / "shards" / f"{name}-{number:05d}-0123abcd{suffix}"


def read_all(directory, name=PYTHON):
    component = Dataset.open(str(directory)).component(name)
    return component.window(0, component.addresses)


def check_window(component, address, count):
    tokens, numbers = ring(component)
    window = component.window(address, count)
    at = (address + np.arange(count)) % component.addresses
    assert window.tokens.dtype == component.dtype == np.uint16
    assert np.array_equal(window.tokens, tokens[at][tokens[at] != END])
    opens_inside = address > 0 and numbers[address - 1] == numbers[address]
    assert component.document_at(address) == (numbers[address], opens_inside)
    is_last = np.append(numbers[1:] != numbers[:-1], True)
    assert np.array_equal(window.ends, np.flatnonzero(is_last[at]))
    bounds = np.flatnonzero(np.append(True, np.diff(numbers[at]) | is_last[at][:-1]))
    assert (
        window.lengths.tolist()
        == [int((tokens[part] != END).sum()) for part in np.split(at, bounds[1:]) if count]
        or not count
    )


def test_names_and_totals(whole):
    assert whole.components == ["the-pile/wikipedia-en", "the-stack/cpp", PYTHON]
    assert whole.heldout_components == [PYTHON]
    component, heldout = whole.component(PYTHON), whole.component(PYTHON, heldout=True)
    assert component is whole.component(PYTHON)
    assert component.documents == 120
    assert heldout.documents == 12
    assert component.addresses == component.tokens + component.documents
    assert component.digest == whole.manifest.components[PYTHON].digest != heldout.digest
    total = sum(whole.component(n).tokens for n in whole.components) + heldout.tokens
    assert total == whole.manifest.totals.tokens


def test_documents_are_those_that_were_written(whole):
    for name in whole.components:
        component = whole.component(name)
        lengths = [len(tokens) for tokens in component.read_documents()]
        assert lengths == [component.origin(n)["tokens"] for n in range(component.documents)]
        assert 0 in lengths
        assert max(lengths) > int(whole.blocks["tokens"].max())


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_window_is_a_piece_of_the_ring(whole, data):
    component = whole.component(data.draw(st.sampled_from(whole.components)))
    address = data.draw(st.integers(0, component.addresses - 1))
    check_window(component, address, data.draw(st.integers(0, 3000)))


def test_windows_that_start_where_a_block_does(whole):
    component = whole.component(PYTHON)
    rows = whole.block_range(whole.shard_range(PYTHON, heldout=False))
    selected = whole.blocks[rows.start : rows.stop]
    starts = np.cumsum(selected["documents"].astype(np.int64) + selected["tokens"]).tolist()
    inside = [component.document_at(start)[1] for start in starts[:-1]]
    assert any(inside)
    assert not all(inside)
    for start in starts[:-1]:
        check_window(component, start, 3)


TEXTS = st.lists(
    st.tuples(st.sampled_from("xyz"), st.sampled_from([0, 0, 1, 2, 3, 511, 512, 513, 1500])),
    min_size=1,
    max_size=6,
)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS, st.data())
def test_any_documents_make_a_ring(tmp_path_factory, make_dataset, texts, data):
    directory = tmp_path_factory.mktemp("dataset")
    make_dataset(directory, {"s/c": [letter + " a" * n if n else "" for letter, n in texts]})
    component = Dataset.open(str(directory)).component("s/c")
    assert component.documents == len(texts)
    address = data.draw(st.integers(0, component.addresses - 1))
    check_window(component, address, data.draw(st.integers(0, 2 * component.addresses)))


def test_texts_come_back(tmp_path, make_dataset):
    texts = ["def f(x):\n    return x\n", "", "<sep> <mask_1> <|endoftext|>", "\u6f22\u5b57"]
    dataset = Dataset.open(make_dataset(tmp_path, {"s/c": texts}))
    tokenizer = load_text_tokenizer(dataset.tokenizer_path)
    result = [
        tokenizer.decode(tokens.tolist()) for tokens in dataset.component("s/c").read_documents()
    ]
    assert sorted(result) == sorted(texts)


def test_a_window_outside_the_ring_is_a_bad_call(whole):
    component = whole.component(PYTHON)
    for address, count in ((-1, 1), (component.addresses, 1), (0, -1)):
        with pytest.raises(UsageError, match=PYTHON):
            component.window(address, count)
    with pytest.raises(UsageError, match="has no document 120"):
        component.origin(120)


def test_origins_name_the_file(whole):
    component = whole.component(PYTHON)
    origin = component.origin(61)
    assert origin["shard"] == "shards/the-stack/python-00001-0123abcd.tar"
    assert origin["path"] == "src/3.txt"
    assert origin["component"] == PYTHON
    assert origin["source"] == "the-stack"
    assert origin["repositories"] == ["owner/python-3"]
    assert len(origin["id"]) == len(origin["text_hash"]) == 16


def test_an_unknown_component_is_a_bad_call(whole):
    with pytest.raises(UsageError, match="no component 'the-stack/rust'; it has: the-pile/wiki"):
        whole.component("the-stack/rust")
    with pytest.raises(UsageError, match="no heldout component"):
        whole.component("the-stack/cpp", heldout=True)


def test_another_process_opens_it_itself(whole):
    component = whole.component(PYTHON)
    copy = pickle.loads(pickle.dumps(component))
    assert np.array_equal(copy.window(5, 700).tokens, component.window(5, 700).tokens)
    assert pickle.loads(pickle.dumps(whole)).components == whole.components


def test_threads_share_a_component(small_dataset):
    component = Dataset.open(small_dataset).component(PYTHON)
    tokens, _ = ring(component)
    starts = np.random.default_rng(0).integers(0, component.addresses - 300, 400).tolist()
    with ThreadPoolExecutor(4) as pool:
        windows = list(pool.map(lambda start: component.window(start, 300), starts))
    for start, window in zip(starts, windows, strict=True):
        selected = tokens[start : start + 300]
        assert np.array_equal(window.tokens, selected[selected != END])


def test_few_shards_are_open_at_once(whole):
    handles = FileHandlePool(limit=2)
    rows = read_shard_rows(whole.directory, whole.manifest)
    everything = [ShardFile(f"{whole.directory}/{row.shard}", row.bytes) for row in rows]
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(2):
        for shard in everything:
            assert handles.read(shard, 257, 5) == b"ustar"
    if before:
        assert len(os.listdir("/proc/self/fd")) <= before + 2


def test_an_object_store_is_read_the_same_way(small_dataset):
    local = Dataset.open(small_dataset).component(PYTHON)
    fsspec.filesystem("memory").put(small_dataset, "/bucket/data", recursive=True)
    remote = Dataset.open("memory://bucket/data").component(PYTHON)
    for address in (0, 700, local.addresses - 10):
        assert np.array_equal(remote.window(address, 900).tokens, local.window(address, 900).tokens)
    assert remote.origin(7) == local.origin(7)
    shard = "/bucket/data/shards/the-stack/python-00000-0123abcd.tar"
    fsspec.filesystem("memory").rm_file(shard)
    with pytest.raises(DataError, match=r"python-00000-0123abcd\.tar: the shard is missing"):
        read_all("memory://bucket/data")


def test_the_same_documents_give_the_same_dataset(tmp_path, make_dataset):
    texts = {"s/c": ["int x;", "", "y = 1\n" * 300], "s/python": ["pass"]}
    for name in ("a", "b"):
        make_dataset(tmp_path / name, texts, {"s/c": ["held out"]})
    first, second = (
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("a", "b")
    )
    assert first == second
    assert len(first) == 6 * 3 + 4 + 3


def test_a_flipped_bit_is_named(small_dataset):
    path = shard_path(small_dataset, number=1)
    data = bytearray(path.read_bytes())
    data[int(scan_shard(str(path), "uint16")["data_offset"][0])] ^= 4
    path.write_bytes(data)
    with pytest.raises(
        DataError, match=r"python-00001-0123abcd\.tar: block 0, at byte 640: its ch"
    ):
        read_all(small_dataset)


def test_a_cut_at_a_member_boundary_is_named(small_dataset):
    path = shard_path(small_dataset)
    index = np.fromfile(f"{path}.idx", dtype="<u8")
    path.write_bytes(path.read_bytes()[: int(index[1])] + bytes(1024))
    with pytest.raises(
        DataError, match=r"python-00000-0123abcd\.tar: has \d+ bytes; shards\.parquet"
    ):
        read_all(small_dataset)


def test_a_cut_is_noticed_only_when_the_shard_is_touched(small_dataset):
    component = Dataset.open(small_dataset).component(PYTHON)
    path = shard_path(small_dataset, number=1)
    path.write_bytes(path.read_bytes()[:-512])
    component.window(0, 100)
    with pytest.raises(DataError, match="python-00001"):
        component.window(component.addresses - 100, 100)


def test_a_shard_that_shrinks_while_it_is_open_is_named(small_dataset):
    component = Dataset.open(small_dataset).component(PYTHON)
    component.window(0, component.addresses)
    os.truncate(shard_path(small_dataset), 1280)
    with pytest.raises(DataError, match="became shorter"):
        component.window(300, 300)


def test_swapped_shards_are_named(small_dataset, tmp_path):
    first, second = shard_path(small_dataset), shard_path(small_dataset, number=1)
    swap(first, second)
    with pytest.raises(DataError, match=r"python-00000-0123abcd\.tar: has"):
        read_all(small_dataset)


def test_swapped_shards_of_one_size_are_named(tmp_path, make_dataset):
    directory = make_dataset(tmp_path, {"s/c": ["x", "y"]})
    swap(shard_path(directory, "s/c"), shard_path(directory, "s/c", 1))
    with pytest.raises(
        DataError, match=r"s/c-00000-0123abcd\.tar: block 0, at byte 640: its check"
    ):
        read_all(directory, "s/c")


def swap(first, second):
    between = first.with_suffix(".swap")
    first.rename(between)
    second.rename(first)
    between.rename(second)


def test_a_missing_shard_is_named(small_dataset):
    shard_path(small_dataset).unlink()
    with pytest.raises(DataError, match=r"python-00000-0123abcd\.tar: the shard is missing"):
        read_all(small_dataset)


def test_a_lost_block_table_is_named(small_dataset):
    (Path(small_dataset) / block_table.FILE).unlink()
    with pytest.raises(DataError, match=r"blocks\.bin: the block table is missing; `stackpile rep"):
        Dataset.open(small_dataset)


@pytest.mark.parametrize("field", ["documents", "tokens", "shard"])
def test_a_block_table_of_another_run_is_named(small_dataset, field):
    path = Path(small_dataset) / block_table.FILE
    table = np.fromfile(path, dtype=block_table.BLOCK)
    table[field][-1] += 1
    table[field][0] += 1
    table.tofile(path)
    with pytest.raises(DataError, match=r"blocks\.bin: the blocks of the-pile/wikipedia-en"):
        read_all(small_dataset, "the-pile/wikipedia-en")


def test_a_block_table_that_only_adds_up_is_named(small_dataset):
    path = Path(small_dataset) / block_table.FILE
    table = np.fromfile(path, dtype=block_table.BLOCK)
    table["data_offset"][0] += 512
    table.tofile(path)
    with pytest.raises(DataError, match=r"wikipedia-en-00000-0123abcd\.tar: block 0"):
        read_all(small_dataset, "the-pile/wikipedia-en")
    table[:-1].tofile(path)
    with pytest.raises(DataError, match=r"blocks\.bin: has \d+ blocks; shards\.parquet says"):
        Dataset.open(small_dataset)


def test_shards_parquet_of_another_run_is_named(small_dataset):
    path = Path(small_dataset) / "shards.parquet"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(DataError, match=r"shards\.parquet: its SHA-256 is not the"):
        Dataset.open(small_dataset)
    path.unlink()
    with pytest.raises(DataError, match=r"shards\.parquet: there is no such file"):
        Dataset.open(small_dataset)


def test_shards_that_are_not_those_of_the_manifest_are_named(small_dataset):
    manifest = load_manifest(small_dataset)
    totals = manifest.components[PYTHON].model_copy(update={"digest": "0" * 64})
    components = manifest.components | {PYTHON: totals}
    save_manifest(small_dataset, manifest.model_copy(update={"components": components}))
    with pytest.raises(
        DataError, match=r"shards\.parquet: the shards of the-stack/python are not th"
    ):
        read_all(small_dataset)


def test_shards_of_a_component_that_are_not_together_are_named(small_dataset):
    path, manifest = Path(small_dataset) / "shards.parquet", load_manifest(small_dataset)
    table = pq.read_table(path)
    pq.write_table(table.take([4, *range(4), *range(5, table.num_rows)]), path)
    tables = manifest.tables | {"shards.parquet": files.sha256(str(path))}
    save_manifest(small_dataset, manifest.model_copy(update={"tables": tables}))
    component = table["component"][4].as_py()
    with pytest.raises(
        DataError, match=rf"shards\.parquet: the shards of {component} are not toget"
    ):
        read_all(small_dataset, component)


def test_a_table_of_another_shard_is_named(small_dataset):
    first, second = (shard_path(small_dataset, number=n, suffix=".parquet") for n in (0, 1))
    shutil.copy(second, first)
    component = Dataset.open(small_dataset).component(PYTHON)
    with pytest.raises(DataError, match=r"python-00000-0123abcd\.parquet: its SHA-256"):
        component.origin(0)


def test_another_jobs_output_is_no_dataset(tmp_path):
    save_manifest(
        str(tmp_path), Manifest(step="dedup", digest="d", config={}, totals=Totals(), funnel={})
    )
    with pytest.raises(DataError, match="output of dedup: it has no shards"):
        Dataset.open(str(tmp_path))


def test_energon_finds_its_side_files(small_dataset):
    info = json.loads(files.read_bytes(files.join(small_dataset, ".nv-meta/.info.json")))
    split = json.loads(files.read_bytes(files.join(small_dataset, ".nv-meta/split.yaml")))
    for path, count in info["shard_counts"].items():
        index = np.fromfile(Path(small_dataset) / f"{path}.idx", dtype="<u8")
        assert len(index) == count + 1
    assert set(split["split_parts"]["train"]) | set(split["split_parts"]["val"]) == set(
        info["shard_counts"]
    )


def test_a_long_path_still_gives_keys_that_fit(tmp_path):
    names = set()
    for number in range(2):
        path = f"shards/{'long-name-' * 9}/c-{number:05d}-0123abcd.tar"
        with DatasetShard(str(tmp_path), path, "s/c", heldout=False, dtype="uint16") as shard:
            shard.add(
                np.arange(3), id=bytes(16), text_hash=bytes(16), repositories=[], path="a",
                license=None, text_bytes=3,
            )  # fmt: skip
            shard.close()
        with tarfile.open(tmp_path / path) as tar:
            names |= set(tar.getnames())
    assert len(names) == 4
    assert max(map(len, names)) <= 100


def test_documents_hold_no_control_ids(whole):
    control = whole.tokenizer.control
    forbidden = {control.end, control.sep, control.eom, *(control.mask(n + 1) for n in range(32))}
    tokenizer = load_text_tokenizer(whole.tokenizer_path)
    (ids,) = encode_documents(tokenizer, ["<|endoftext|><sep><eom><mask_1><mask_32>"])
    assert forbidden.isdisjoint(ids.tolist())
