"""Lines of JSON inputs: in order, numbered without blank lines; a truncated file is an error."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import InputError
from pipelines.sources.jsonl_input import JsonLinesLayout, lines, parse

RECORDS = [{"text": f"line {i}", "meta": {"pile_set_name": "Pile-CC"}} for i in range(500)]
PLAIN = b"".join(json.dumps(record).encode() + b"\n" for record in RECORDS)


def written(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize(
    ("name", "compress"),
    [
        ("a.jsonl", bytes),
        ("a.jsonl.gz", gzip.compress),
        ("a.jsonl.zst", zstandard.ZstdCompressor().compress),
    ],
)
def test_every_line_is_read_plain_or_compressed(
    tmp_path: Path, name: str, compress: Callable[[bytes], bytes]
) -> None:
    url = written(tmp_path / name, compress(PLAIN))
    assert [parse(line)[0] for line in lines(url)] == RECORDS


def test_all_zstd_frames_of_a_file_are_read(tmp_path: Path) -> None:
    half = len(PLAIN) // 2
    frames = [zstandard.ZstdCompressor().compress(part) for part in (PLAIN[:half], PLAIN[half:])]
    url = written(tmp_path / "a.jsonl.zst", b"".join(frames))
    assert [parse(line)[0] for line in lines(url)] == RECORDS


@pytest.mark.parametrize("compressed", [".zst", ".gz"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.99])
def test_a_truncated_file_is_an_error(tmp_path: Path, compressed: str, share: float) -> None:
    whole = gzip.compress(PLAIN) if compressed == ".gz" else _zstd(PLAIN)
    url = written(tmp_path / f"a.jsonl{compressed}", whole[: int(len(whole) * share)])
    with pytest.raises(InputError, match=r"a\.jsonl"):
        list(lines(url))


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


def test_a_file_that_is_not_compressed_as_its_name_says_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be decompressed"):
        list(lines(written(tmp_path / "a.jsonl.zst", PLAIN)))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        list(lines(str(tmp_path / "a.jsonl")))


def test_bad_lines_are_faults_and_the_other_lines_are_read(tmp_path: Path) -> None:
    data = b'{"text": "a"}\n\n{"text": \n[1]\n{"text": "\xff"}\n{"text": "b"}'
    read = lines(written(tmp_path / "a.jsonl", data))
    assert [parse(line)[1] for line in read] == [None, "bad_json", "bad_json", "invalid_utf8", None]


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"]))))
def test_any_text_is_read_unchanged(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    path = tmp_path_factory.mktemp("jsonl") / "a.jsonl.zst"
    path.write_bytes(_zstd("".join(json.dumps({"text": t}) + "\n" for t in texts).encode()))
    assert [json.loads(line)["text"] for line in lines(str(path))] == texts


@pytest.mark.parametrize("path", [4, None, ["a"], "\ud800"])
def test_a_path_of_any_kind_becomes_a_string_that_arrow_takes(tmp_path: Path, path: Any) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps({"text": "x", "path": path}) + "\n")

    class Records(JsonLinesLayout):
        def row(self, record: dict[str, Any]) -> dict[str, Any]:
            return {"component": "text", "text": record["text"], "path": record["path"]}

    layout = Records()
    (unit,) = layout.cut(str(file))
    (part,) = layout.read(str(file), "a.jsonl", unit)
    assert part.rows["path"].to_pylist() == ["\ufffd" if path == "\ud800" else ""]
