"""A stream over shards in an object store: the same batches as from a disk."""

import threading
from functools import partial

import numpy as np
import pytest

from manifests.dataset.dataset import Dataset
from manifests.errors import DataError
from manifests.io import files, object_store
from manifests.mixture.config import load_mixture
from manifests.mixture.mixture import make_mixture
from manifests.shards.block_cache import BlockCache
from manifests.shards.scan import scan_shard
from objectives.stream.plan import make_plan
from objectives.stream.stream import Stream
from objectives.tasks.batch import Batch
from tests.object_store import BUCKET, serving


@pytest.fixture(scope="module")
def server():
    with pytest.MonkeyPatch.context() as patch, serving(patch) as started:
        patch.setattr(object_store, "FIRST_WAIT", 0.0)
        yield started


@pytest.fixture
def store(server):
    yield server
    server.every = 0
    server.cut = False
    server.answers.set()


@pytest.fixture(scope="module")
def uploaded(server, small_dataset_made_once):
    root = f"s3://{BUCKET}/tokens"
    for path in sorted(small_dataset_made_once.rglob("*")):
        if path.is_file():
            name = str(path.relative_to(small_dataset_made_once))
            files.write_bytes(files.join(root, name), path.read_bytes())
    return root


@pytest.fixture
def plans(small_dataset_made_once, uploaded, tmp_path, monkeypatch):
    """The same plan over the disk and over the store; an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    out = str(tmp_path / "MIX.toml")
    weights = {"the-stack": 1.0, "the-pile": 1.0}
    make_mixture([str(small_dataset_made_once)], weights, epochs=2, out=out)
    plan = make_plan(load_mixture(out), "codegen2", batch=4, sequence_length=64)
    moved = [c.model_copy(update={"dataset": uploaded}) for c in plan.components]
    return plan, plan.model_copy(update={"components": moved})


def equal(one, other):
    return all(np.array_equal(a, other.arrays()[name]) for name, a in one.arrays().items())


@pytest.mark.parametrize(("every", "cut"), [(0, False), (4, False), (5, True)])
def test_a_failing_store_changes_nothing(plans, store, every, cut):
    local, far = (Stream.open(plan) for plan in plans)
    store.every, store.cut = every, cut
    for position in (0, 4, 8, 1000, 12, 4):
        assert equal(far.batch(position, 4), local.batch(position, 4))


def test_a_slow_store_delays_and_changes_nothing(plans, store):
    """Blocks are asked for in one order, and come in another, when it answers."""
    local, far = (Stream.open(plan) for plan in plans)
    batches: list[Batch] = []
    reading = threading.Thread(target=lambda: batches.extend(far.batch(p, 4) for p in (0, 4, 1000)))
    before = store.requests
    store.answers.clear()
    reading.start()
    while store.requests == before:
        reading.join(0.01)
    assert reading.is_alive()
    assert not batches
    store.answers.set()
    reading.join()
    assert all(equal(b, local.batch(p, 4)) for p, b in zip((0, 4, 1000), batches, strict=True))


def test_each_block_is_requested_once(plans, store):
    far = Stream.open(plans[1])
    dataset = Dataset.open(plans[1].components[0].dataset)
    store.ranges.clear()
    streams = far, Stream.open(plans[1])
    for position in range(0, 320, 8):
        first, second = (stream.batch(position, 8) for stream in streams)
        assert equal(first, second)
    asked = {place: count for place, count in store.ranges.items() if place[0].endswith(".tar")}
    assert set(asked.values()) == {1}
    assert 10 < len(asked) <= len(dataset.blocks)


def test_a_tiny_cache_changes_no_batch(plans, monkeypatch):
    monkeypatch.setattr("manifests.shards.reader.BlockCache", partial(BlockCache, limit=1))
    local, far = (Stream.open(plan) for plan in plans)
    for position in (0, 4, 64):
        assert equal(far.batch(position, 4), local.batch(position, 4))


def test_a_damaged_cache_is_fetched_again(plans, tmp_path):
    local, far = (Stream.open(plan) for plan in plans)
    far.batch(0, 64)
    # Files whose names begin with a dot are still being written, in the background.
    paths = (tmp_path / "stackpile").rglob("[!.]*")
    kept = [path for path in paths if path.is_file()]
    for path in kept:
        path.write_bytes(path.read_bytes()[:-7])
    assert len(kept) > 10
    assert equal(Stream.open(plans[1]).batch(0, 64), local.batch(0, 64))


@pytest.mark.usefixtures("plans")
def test_a_flipped_bit_in_the_store_is_an_error_that_names_the_block(
    uploaded, small_dataset_made_once
):
    name = "shards/the-stack/python-00000-0123abcd.tar"
    before = files.read_bytes(files.join(uploaded, name))
    table = scan_shard(str(small_dataset_made_once / name), "uint16")
    data = bytearray(before)
    data[int(table["data_offset"][0])] ^= 1
    files.write_bytes(files.join(uploaded, name), bytes(data))
    try:
        component = Dataset.open(uploaded).component("the-stack/python")
        with pytest.raises(DataError, match=r"python-00000-0123abcd\.tar: block 0, at byte 640"):
            component.window(0, component.addresses)
    finally:
        files.write_bytes(files.join(uploaded, name), before)
