"""Files of benchmarks: plain and gzip, and the place of a bad line."""

import gzip

import pytest
from pydantic import BaseModel

from manifests.errors import DataError, UsageError
from trainer.evaluation.data import find_file, read_rows


class Row(BaseModel):
    text: str


def test_plain_and_compressed_files_are_read(tmp_path) -> None:
    data = b'{"text": "a", "other": 1}\n\n{"text": "\xe2\x80\xa8"}\n'
    (tmp_path / "a.jsonl").write_bytes(data)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(data))
    for name in ("a.jsonl", "b.jsonl"):
        rows = read_rows(find_file(str(tmp_path), name, "task"), Row)
        assert [row.text for row in rows] == ["a", "\u2028"]


def test_a_missing_file_is_named_with_its_task(tmp_path) -> None:
    with pytest.raises(UsageError, match=r"has no a\.jsonl, which the task humaneval needs"):
        find_file(str(tmp_path), "a.jsonl", "humaneval")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "line 2 is not JSON"),
        (b"[]", "line 2: the row: Input should be"),
        (b'{"text": 3}', "line 2: text: Input should be a valid string"),
        (b"{}", "line 2: text: Field required"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line: bytes, message: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "a"}\n' + line + b"\n")
    with pytest.raises(DataError, match=message):
        read_rows(str(path), Row)


def test_an_empty_file_and_a_broken_archive_are_refused(tmp_path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\n")
    with pytest.raises(DataError, match="has no row"):
        read_rows(str(tmp_path / "a.jsonl"), Row)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(b'{"text": "a"}\n' * 99)[:-9])
    with pytest.raises(DataError, match="is not a whole gzip file"):
        read_rows(str(tmp_path / "b.jsonl.gz"), Row)
