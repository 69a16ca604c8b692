import multiprocessing
import os

import pytest

from filters.scancode import cache, normalize
from filters.scancode.cache import (
    SEED,
    Cache,
    cache_name,
    line_of,
    load_seed,
    parse_lines,
    text_key,
)
from filters.scancode.detector import Match

MIT = (Match("mit", "mit_12.RULE", 100.0, False),)
GPL = (Match("gpl-2.0", "gpl-2.0_1.RULE", 87.5, False), Match("mit", "mit_1.RULE", 1.0, True))


def test_a_line_is_parsed_back():
    assert list(parse_lines([line_of("k", GPL)])) == [("k", GPL)]


def test_entries_stay_for_the_next_run(tmp_path):
    kept = Cache(str(tmp_path))
    assert kept.get("a") is None
    kept.put("a", MIT)
    kept.put("b", ())
    kept.close()
    again = Cache(str(tmp_path))
    assert (again.get("a"), again.get("b"), again.get("c")) == (MIT, (), None)


@pytest.mark.parametrize("cut", range(2, 60, 7))
def test_a_file_cut_anywhere_loses_its_last_line_only(tmp_path, cut):
    kept = Cache(str(tmp_path))
    kept.put("a", MIT)
    kept.put("b", GPL)
    kept.close()
    path = tmp_path / cache_name()
    os.truncate(path, path.stat().st_size - cut)
    cut_one = Cache(str(tmp_path))
    assert (cut_one.get("a"), cut_one.get("b")) == (MIT, None)
    cut_one.put("b", GPL)
    cut_one.close()
    again = Cache(str(tmp_path))
    assert (again.get("a"), again.get("b")) == (MIT, GPL)


def test_a_file_cut_in_half_keeps_its_first_half(tmp_path):
    kept = Cache(str(tmp_path))
    for i in range(100):
        kept.put(f"{i:03}", GPL)
    kept.close()
    path = tmp_path / cache_name()
    os.truncate(path, path.stat().st_size // 2 - 10)
    half = Cache(str(tmp_path), seed=False)
    assert [half.get(f"{i:03}") for i in range(100)] == [GPL] * 49 + [None] * 51
    half.close()


def test_the_name_changes_with_the_versions_that_decide_matches(monkeypatch):
    before = cache_name()
    monkeypatch.setattr(normalize, "VERSION", normalize.VERSION + 1)
    other = cache_name()
    monkeypatch.setattr(cache, "detector_version", lambda: "99.0")
    assert len({before, other, cache_name()}) == 3
    assert text_key(b"license " * 100) != text_key(b"license " * 99 + b"licence ")


def test_lines_with_a_wrong_checksum_are_skipped(tmp_path):
    (tmp_path / cache_name()).write_bytes(b"\xff\x00\nnot a line\n" + line_of("a", MIT) + b"[]")
    assert Cache(str(tmp_path)).get("a") == MIT


def put_many(directory, name):
    kept = Cache(directory)
    for i in range(200):
        kept.put(f"{name}-{i}", GPL)


def test_processes_append_to_one_file(tmp_path):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=put_many, args=(str(tmp_path), n)) for n in "abc"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    kept = Cache(str(tmp_path))
    assert all(kept.get(f"{name}-{i}") == GPL for name in "abc" for i in range(200))


def test_the_seed_is_of_the_versions_installed_and_small():
    assert SEED.stat().st_size < 500_000
    seed = load_seed()
    assert len(seed) > 100
    text = b"use of this source code is governed by a bsd-style license that can be found in the "
    assert seed[text_key(text + b"license file.")]
