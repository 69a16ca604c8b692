"""The number of cores is that of the cores which the process may use."""

import os

import pytest

from manifests.cores import usable_cores


def test_a_limit_of_the_process_counts() -> None:
    cores = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(cores)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, cores)


def test_a_system_without_such_limits_has_all_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cores() == os.cpu_count()
