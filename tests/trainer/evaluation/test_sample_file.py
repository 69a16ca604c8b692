"""Files of samples hold whole lines only, whatever a killed process left."""

import pytest

from manifests.errors import DataError
from trainer.evaluation.sample_file import SampleFile


def test_any_cut_leaves_whole_lines(tmp_path) -> None:
    path = tmp_path / "deep" / "a.jsonl"
    lines = [{"task_id": n, "completion": "x\u2028\n" * n} for n in range(3)]
    SampleFile(str(path)).append(lines)
    data = path.read_bytes()
    for size in range(len(data) + 1):
        path.write_bytes(data[:size])
        file = SampleFile(str(path))
        assert file.lines == lines[: data[:size].count(b"\n")]
        file.append(lines[len(file.lines) :])
        assert path.read_bytes() == data
        assert file.lines == lines


def test_a_whole_line_that_is_no_object_is_refused(tmp_path) -> None:
    for line in ("[]", "{", "3"):
        path = tmp_path / "a.jsonl"
        path.write_text(f'{{"a": 1}}\n{line}\n')
        with pytest.raises(DataError, match="line 2 is not a JSON object"):
            SampleFile(str(path))
