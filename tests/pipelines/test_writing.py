"""Parts are written behind one another, and nothing that goes wrong there is lost."""

import threading

import pytest

from manifests.receipts import Receipt
from pipelines.job import WritesBehind
from pipelines.license_step import FilterLicenses
from pipelines.writing import BEHIND_BYTES, Behind


def receipt(name: str) -> Receipt:
    return Receipt(name=name, step="s", digest="0" * 64)


def test_a_part_is_written_while_the_next_one_is_decided() -> None:
    behind, may_end = Behind(), threading.Event()

    def slow() -> Receipt:
        assert may_end.wait(60)
        return receipt("a")

    assert list(behind.put(slow, 1)) == []
    may_end.set()
    assert [each.name for each in behind.put(lambda: receipt("b"), 1)] == ["a"]
    assert [each.name for each in behind.wait()] == ["b"]
    assert list(behind.wait()) == []


def test_a_large_part_is_written_at_once_and_alone() -> None:
    behind = Behind()
    assert list(behind.put(lambda: receipt("a"), 1)) == []
    large = behind.put(lambda: receipt("b"), BEHIND_BYTES + 1)
    assert [each.name for each in large] == ["a", "b"]


@pytest.mark.parametrize("size", [1, BEHIND_BYTES + 1])
def test_what_goes_wrong_is_raised_before_the_next_part_or_the_end(size: int) -> None:
    behind = Behind()

    def fail() -> Receipt:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        list(behind.put(fail, size))
        list(behind.put(lambda: receipt("b"), 1))
    assert list(behind.wait()) == []


def test_the_engine_waits_for_the_filters_last_part() -> None:
    assert issubclass(FilterLicenses, WritesBehind)
