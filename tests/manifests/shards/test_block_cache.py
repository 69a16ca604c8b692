"""The cache of remote blocks: bounded, shared, whole after any crash."""

import multiprocessing
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from manifests.errors import DataError
from manifests.shards.block_cache import ABANDONED, BUCKETS, PART, BlockCache, block_name


@pytest.fixture
def cache(tmp_path):
    return BlockCache(str(tmp_path))


def name_of(number, bucket=0):
    return f"{bucket:08x}{number:024x}"


def never():
    raise AssertionError("it was fetched again")


def always(_):
    return True


def files_in(cache):
    return sorted(
        name
        for _, _, names in os.walk(cache.directory)
        for name in names
        if not name.startswith(".")
    )


def test_a_block_is_fetched_once(cache):
    assert cache.read("a" * 32) is None
    assert cache.whole("a" * 32, lambda: b"0123456789", always) == b"0123456789"
    assert cache.whole("a" * 32, never, always) == b"0123456789"
    assert cache.read("a" * 32, 3, 4) == b"3456"
    assert BlockCache(cache.directory).read("a" * 32, 8, 4) == b"89"


def test_names_tell_shards_apart():
    names = {
        block_name(url, origin, size, crc)
        for url in "ab"
        for origin in (1, 2)
        for size in (3, 4)
        for crc in (5, 6)
    }
    assert len(names) == 16


def test_what_is_not_right_is_fetched_again(cache):
    cache.whole("b" * 32, lambda: b"cut", always)
    assert cache.whole("b" * 32, lambda: b"whole", lambda data: data == b"whole") == b"whole"
    assert cache.read("b" * 32) == b"whole"


def test_a_fetch_that_fails_leaves_nothing(cache):
    def fail():
        raise DataError("the store failed")

    with pytest.raises(DataError, match="the store failed"):
        cache.whole("c" * 32, fail, always)
    assert files_in(cache) == []
    assert cache.whole("c" * 32, lambda: b"x", always) == b"x"


def test_it_stays_within_its_limit_and_drops_what_was_used_longest_ago(tmp_path):
    cache = BlockCache(str(tmp_path), limit=BUCKETS * 300)
    for number in range(3):
        cache.whole(name_of(number), lambda: bytes(100), always)
        os.utime(cache._path(name_of(number)), (number, number))
    cache.read(name_of(0), 0, 1)
    cache.whole(name_of(3), lambda: bytes(100), always)
    assert files_in(cache) == [name_of(0), name_of(2), name_of(3)]
    cache.whole(name_of(4), lambda: bytes(10_000), always)
    assert files_in(cache) == [name_of(4)]
    cache.whole(name_of(5, bucket=1), lambda: bytes(100), always)
    assert files_in(cache) == [name_of(4), name_of(5, bucket=1)]


def test_what_a_crash_left_goes(cache):
    cache.whole(name_of(0), lambda: b"x", always)
    folder = os.path.dirname(cache._path(name_of(0)))
    old, new = os.path.join(folder, f"{PART}old"), os.path.join(folder, f"{PART}new")
    for path in (old, new):
        open(path, "w").close()
    long_ago = time.time() - 2 * ABANDONED
    os.utime(old, (long_ago, long_ago))
    cache.whole(name_of(1), lambda: b"x", always)
    assert not os.path.exists(old)
    assert os.path.exists(new)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    cache = BlockCache(str(tmp_path / "file"))
    cache.directory += "/x"
    with pytest.raises(DataError, match=r"file/x/00: blocks cannot be cached here \(Not a dir"):
        cache.whole(name_of(0), lambda: b"x", always)


def test_fetching_ahead(cache):
    done = threading.Event()

    def get():
        cache.whole(name_of(0), lambda: b"far", always)
        done.set()

    cache.ahead(name_of(0), get)
    assert done.wait(10)
    assert cache.read(name_of(0)) == b"far"
    cache.ahead(name_of(0), never)
    failed = threading.Event()

    def fail():
        failed.set()
        raise DataError("the store failed")

    cache.ahead(name_of(1), fail)
    assert failed.wait(10)
    assert cache.whole(name_of(1), lambda: b"later", always) == b"later"


def test_threads_share_a_fetch(cache):
    fetched = []

    def fetch():
        fetched.append(1)
        time.sleep(0.01)
        return b"block"

    caches = [cache, BlockCache(cache.directory)] * 20
    with ThreadPoolExecutor(8) as pool:
        result = list(pool.map(lambda each: each.whole("d" * 32, fetch, always), caches))
    assert set(result) == {b"block"}
    assert len(fetched) == 1


def use(cache, log, numbers):
    """Ask for blocks, as a worker that was forked or started anew does."""

    def fetch(number):
        with open(log, "a") as file:
            file.write(f"{number}\n")
        return bytes([number]) * 1000

    for number in numbers:
        data = cache.whole(name_of(number, number), lambda n=number: fetch(n), always)
        assert data == bytes([number]) * 1000


def test_processes_share_a_fetch_even_when_forked_while_one_is_under_way(tmp_path):
    cache, log = BlockCache(str(tmp_path / "cache")), str(tmp_path / "log")
    context = multiprocessing.get_context("fork")
    workers = [
        context.Process(target=use, args=(cache, log, range(20)), daemon=True) for _ in range(4)
    ]
    with cache._one_at_a_time(name_of(7, 7)):
        for worker in workers:
            worker.start()
    for worker in workers:
        worker.join(30)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert sorted(map(int, Path(log).read_text().split())) == list(range(20))


def test_a_block_that_cannot_be_read_is_not_here(cache, monkeypatch):
    os.makedirs(cache._path(name_of(0)))
    assert cache.read(name_of(0)) is None
    assert cache.whole(name_of(0), lambda: b"fetched", always) == b"fetched"
    cache.whole(name_of(1), lambda: b"here", always)

    def refuse(*_):
        raise PermissionError("another user's")

    monkeypatch.setattr(os, "utime", refuse)
    assert cache.read(name_of(1)) == b"here"
    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(os, "remove", refuse)
    opened = os.open
    monkeypatch.setattr(
        os, "open", lambda path, *rest: refuse() if path.endswith("1") else opened(path, *rest)
    )
    assert cache.read(name_of(1)) is None
    cache.limit = 0
    assert cache.whole(name_of(1), lambda: b"again", always) == b"again"
