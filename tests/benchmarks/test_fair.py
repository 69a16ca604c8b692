"""Both sides of a comparison have the same, and a claim says what was not measured."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks import license_filter_job, license_veto, prepare


class Started(Exception):
    """The first thing that costs time has begun."""


@contextmanager
def own_cores() -> Iterator[None]:
    cores = os.sched_getaffinity(0)
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def test_the_veto_and_scancode_have_one_core(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    seen: list[set[int]] = []

    def load() -> None:
        seen.append(os.sched_getaffinity(0))
        raise Started

    monkeypatch.setattr(license_veto, "get_index", load)
    first = min(os.sched_getaffinity(0))
    with own_cores(), pytest.raises(Started):
        license_veto.measure(tmp_path)
    assert seen == [{first}]


def test_the_memory_of_a_job_is_said_to_be_without_the_detector(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(
        license_filter_job, "run", lambda *_: license_filter_job.Run(30.0, 30.0, 1 << 20)
    )
    monkeypatch.setattr(license_filter_job, "copied", lambda *_: tmp_path)
    *_, memory = license_filter_job.measure(tmp_path)
    assert "largest process, detector not counted, MiB" in memory.claim


def test_the_whole_road_is_said_to_have_a_warm_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    made_up: dict[str, Any] = {
        "write_copies": lambda *_: 10**6,
        "write_few": lambda *_: 10**6,
        "stackpile": lambda *_: {"license_filter": {"seconds": 1.0}},
        "prepare": lambda *_: 10**6,
        "datatrove": lambda *_: 1.0,
        "versions": lambda *_: {},
    }
    for name, value in made_up.items():
        monkeypatch.setattr(prepare, name, value)
    [claim] = prepare.measure(tmp_path)
    assert "license cache warm" in claim.claim
