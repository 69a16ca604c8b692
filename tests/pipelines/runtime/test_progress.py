"""Progress is shown where a terminal looks, and costs nothing elsewhere."""

import sys
import time
from pathlib import Path

import pytest

from manifests.lineage.receipts import Receipt, receipt_names, save_receipt
from pipelines.runtime import progress


def test_nothing_is_listed_where_no_terminal_looks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "receipt_names", lambda directory: 1 / 0)
    with progress.parts("nowhere", "step", 3, 1):
        pass
    assert list(progress.inputs([3, 4], "licenses", 2)) == [3, 4]
    assert capsys.readouterr() == ("", "")


def test_a_terminal_sees_the_parts_that_are_done_of_all_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(progress, "SECONDS", 0.01)
    counts: list[int] = []

    def counted(directory: str) -> list[str]:
        names = receipt_names(directory)
        counts.append(len(names))
        return names

    monkeypatch.setattr(progress, "receipt_names", counted)
    with progress.parts(str(tmp_path), "step", 3, 1):
        save_receipt(str(tmp_path), Receipt(name="a", step="s", digest=""))
        until = time.monotonic() + 10
        while 1 not in counts and time.monotonic() < until:
            time.sleep(0.01)
    assert "3/3" in capsys.readouterr().err


def test_a_terminal_sees_the_inputs_that_are_read_of_all_inputs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert list(progress.inputs(iter([3, 4]), "licenses", 2)) == [3, 4]
    error = capsys.readouterr().err
    assert "2/2" in error and "inputs" in error
