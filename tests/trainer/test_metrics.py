"""metrics.jsonl is searched by step, and survives a killed process."""

import json
import os
from pathlib import Path

import pytest

from manifests.errors import DataError
from trainer.metrics import (
    append_metrics,
    find_metrics,
    last_metrics,
    read_metrics,
    truncate_metrics,
)


@pytest.fixture
def path(tmp_path) -> str:
    """Lines of steps 3 to 42, of many lengths, and the beginning of one more."""
    path = str(tmp_path / "metrics.jsonl")
    for step in range(3, 43):
        append_metrics(path, {"step": step, "text": "x" * (step * 37 % 200)})  # type: ignore[typeddict-item]
    with open(path, "a") as file:
        file.write('{"step": 43, "te')
    return path


def test_each_step_is_found(path) -> None:
    steps = {step: find_metrics(path, step) for step in range(46)}
    assert {step: result["step"] for step, result in steps.items() if result} == {
        step: step for step in range(3, 43)
    }
    assert last_metrics(path) == read_metrics(path)[-1] == steps[42]


@pytest.mark.parametrize("step", [2, 3, 17, 41, 42, 99])
def test_later_lines_are_cut_off(path, step) -> None:
    wanted = [line for line in read_metrics(path) if line["step"] <= step]
    truncate_metrics(path, step)
    assert Path(path).read_bytes() == b"".join(json.dumps(w).encode() + b"\n" for w in wanted)


def test_a_file_without_lines_has_no_steps(tmp_path) -> None:
    path = str(tmp_path / "metrics.jsonl")
    truncate_metrics(path, 5)
    assert not os.path.exists(path)
    for content in (None, b"", b'{"step": 1'):
        if content is not None:
            Path(path).write_bytes(content)
        assert (read_metrics(path), find_metrics(path, 1), last_metrics(path)) == ([], None, None)
    truncate_metrics(path, 5)
    assert Path(path).read_bytes() == b""


def test_a_search_reads_a_few_lines_only(path) -> None:
    """Lines that the search does not need may be anything."""
    lines = Path(path).read_bytes().splitlines(keepends=True)
    lines[1] = b"broken\n"
    Path(path).write_bytes(b"".join(lines))
    result = find_metrics(path, 40)
    assert result is not None
    assert result["step"] == 40
    with pytest.raises(DataError, match="has a line that is not JSON"):
        read_metrics(path)
