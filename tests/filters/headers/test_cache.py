import multiprocessing
import os

import pytest

from filters.headers.cache import SEED, Cache, cache_name, line_of, load_seed, parse_lines, text_key
from filters.headers.detector import Match

MIT = (Match("mit", "mit_12.RULE", 100.0, False),)
GPL = (Match("gpl-2.0", "gpl-2.0_1.RULE", 87.5, False), Match("mit", "mit_1.RULE", 1.0, True))


def test_a_line_reads_back():
    assert list(parse_lines([line_of("k", GPL)])) == [("k", GPL)]


def test_what_was_put_is_there_in_the_next_run(tmp_path):
    cache = Cache(str(tmp_path))
    assert cache.get("a") is None
    cache.put("a", MIT)
    cache.put("b", ())
    cache.close()
    again = Cache(str(tmp_path))
    assert (again.get("a"), again.get("b"), again.get("c")) == (MIT, (), None)


@pytest.mark.parametrize("cut", range(2, 60, 7))
def test_a_file_cut_anywhere_loses_its_last_line_only(tmp_path, cut):
    cache = Cache(str(tmp_path))
    cache.put("a", MIT)
    cache.put("b", GPL)
    cache.close()
    path = tmp_path / cache_name()
    os.truncate(path, path.stat().st_size - cut)
    cut_one = Cache(str(tmp_path))
    assert (cut_one.get("a"), cut_one.get("b")) == (MIT, None)
    cut_one.put("b", GPL)
    cut_one.close()
    again = Cache(str(tmp_path))
    assert (again.get("a"), again.get("b")) == (MIT, GPL)


def test_garbage_is_passed_over(tmp_path):
    (tmp_path / cache_name()).write_bytes(b"\xff\x00\nnot a line\n" + line_of("a", MIT) + b"[]")
    assert Cache(str(tmp_path)).get("a") == MIT


def put_many(directory, name):
    cache = Cache(directory)
    for i in range(200):
        cache.put(f"{name}-{i}", GPL)


def test_processes_append_to_one_file(tmp_path):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=put_many, args=(str(tmp_path), n)) for n in "abc"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    cache = Cache(str(tmp_path))
    assert all(cache.get(f"{name}-{i}") == GPL for name in "abc" for i in range(200))


def test_the_seed_is_of_the_versions_installed_and_small():
    assert SEED.stat().st_size < 500_000
    seed = load_seed()
    assert len(seed) > 100
    text = b"use of this source code is governed by a bsd-style license that can be found in the "
    assert seed[text_key(text + b"license file.")]
