"""The three public layouts, as the hubs ship them: columns, types, names of files."""

import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from pipelines.demo.packages import LANGUAGES, Package, SourceFile, hash64
from pipelines.demo.prose import Prose

SHARD_BYTES = 2 << 20
"""Text of one Parquet file; the hubs have about a thousand times as much."""

GROUPS = ("stars", "issues", "forks")


def _the_stack_schema() -> pa.Schema:
    """Return the 29 columns of The Stack v1.1, from the `dataset_info` of unchanged copies."""
    names, fields = ("path", "name", "head_hexsha"), []
    for group in GROUPS:
        event = f"max_{group}_repo_{group}_event"
        fields += [(f"max_{group}_repo_{name}", pa.string()) for name in names]
        fields += [(f"max_{group}_repo_licenses", pa.list_(pa.string()))]
        fields += [(f"max_{group}_count", pa.int64())]
        fields += [(f"{event}_{end}_datetime", pa.string()) for end in ("min", "max")]
    first = [("hexsha", pa.string()), ("size", pa.int64()), ("ext", pa.string())]
    last = [("avg_line_length", pa.float64()), ("max_line_length", pa.int64())]
    content = ("content", pa.string())
    fraction = ("alphanum_fraction", pa.float64())
    return pa.schema([*first, ("lang", pa.string()), *fields, content, *last, fraction])


THE_STACK = _the_stack_schema()

STARCODERDATA = pa.schema(
    [
        ("max_stars_repo_path", pa.string()),
        ("max_stars_repo_name", pa.string()),
        ("max_stars_count", pa.int64()),
        ("id", pa.string()),
        ("content", pa.string()),
    ]
)


@dataclass(frozen=True)
class CodeFile:
    """A chosen file with its text."""

    package: Package
    file: SourceFile
    text: str

    @property
    def directory(self) -> str:
        """The Stack's directory of its language."""
        return LANGUAGES[self.file.suffix][1]


def the_stack(files: Sequence[CodeFile]) -> Iterator[tuple[str, bytes]]:
    """Yield the path and content of each Parquet file: data/LANG/train-00000-of-00001.parquet."""
    for directory, group in _by_language(files):
        rows = [_the_stack_row(file) for file in group]
        yield from _parquet_files(f"data/{directory}", rows, THE_STACK)


def starcoderdata(files: Sequence[CodeFile]) -> Iterator[tuple[str, bytes]]:
    """Yield the path and content of each Parquet file: LANG/train-00000-of-00001.parquet."""
    ids = {file.file.path: str(number) for number, file in enumerate(files)}
    for directory, group in _by_language(files):
        rows = [_starcoderdata_row(file, ids[file.file.path]) for file in group]
        yield from _parquet_files(directory, rows, STARCODERDATA)


def the_pile(documents: Sequence[Prose]) -> Iterator[tuple[str, bytes]]:
    """Yield train/00.jsonl.zst, train/01.jsonl.zst, val.jsonl.zst and test.jsonl.zst."""
    # One document in fifty for each of the two: enough to look at.
    kinds = [("val", 0), ("test", 1), ("train/00", 2), ("train/01", 3)]
    for name, kind in kinds:
        chosen = [d for d in documents if _pile_file(d.order) == kind]
        yield f"{name}.jsonl.zst", _json_lines(chosen)


def _pile_file(order: int) -> int:
    return min(order % 50, 2 + order % 2)


def _the_stack_row(file: CodeFile) -> dict[str, Any]:
    text, raw = file.text, file.text.encode()
    lines = text.split("\n")
    repository: dict[str, Any] = {}
    for group in GROUPS:
        repository |= {
            f"max_{group}_repo_path": file.file.path,
            f"max_{group}_repo_name": file.package.repository,
            f"max_{group}_repo_head_hexsha": _release(file.package),
            f"max_{group}_repo_licenses": list(file.package.licenses),
        }
    # The formulas agree with ten of ten real rows: size counts characters, lines end at "\n" alone.
    return repository | {
        "hexsha": hashlib.sha1(b"blob %d\0" % len(raw) + raw).hexdigest(),
        "size": len(text),
        "ext": file.file.suffix[1:],
        "lang": LANGUAGES[file.file.suffix][0],
        "content": text,
        "avg_line_length": len(text) / len(lines),
        "max_line_length": max(map(len, lines)),
        "alphanum_fraction": len(re.findall(r"\w", text)) / len(text),
    }


def _starcoderdata_row(file: CodeFile, number: str) -> dict[str, Any]:
    return {
        "max_stars_repo_path": file.file.path,
        "max_stars_repo_name": file.package.repository,
        "max_stars_count": None,
        "id": number,
        "content": _prefix(file) + file.text,
    }


def _release(package: Package) -> str:
    """What stands for the commit, which an installed package does not tell."""
    return hashlib.sha1(f"{package.name}=={package.version}".encode()).hexdigest()


def _prefix(file: CodeFile) -> str:
    """`<reponame>R<filename>P<gh_stars>B` and a line end, each with a chance of 0.2 of its own."""
    parts = (("reponame", file.package.repository), ("filename", file.file.path), ("gh_stars", "0"))
    given = [f"<{tag}>{value}" for tag, value in parts if hash64(tag, file.file.path) % 5 == 0]
    return "".join(given) + "\n" if given else ""


def _by_language(files: Iterable[CodeFile]) -> Iterator[tuple[str, Iterator[CodeFile]]]:
    ordered = sorted(files, key=lambda file: (file.directory, file.file.order))
    yield from groupby(ordered, key=lambda file: file.directory)


def _parquet_files(
    directory: str, rows: Sequence[dict[str, Any]], schema: pa.Schema
) -> Iterator[tuple[str, bytes]]:
    shards: list[list[dict[str, Any]]] = [[]]
    size = 0
    for row in rows:
        if size >= SHARD_BYTES:
            shards.append([])
            size = 0
        shards[-1].append(row)
        size += len(row["content"].encode())
    for number, shard in enumerate(shards):
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(shard, schema=schema), sink)
        yield f"{directory}/train-{number:05d}-of-{len(shards):05d}.parquet", sink.getvalue()


def _json_lines(documents: Iterable[Prose]) -> bytes:
    lines = (
        json.dumps({"text": d.text, "meta": {"pile_set_name": d.pile_set_name}}) for d in documents
    )
    return zstandard.ZstdCompressor().compress("".join(f"{line}\n" for line in lines).encode())
