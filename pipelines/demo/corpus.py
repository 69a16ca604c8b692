"""Writes the demo's corpus: three small data sets in the layouts of the public ones."""

import hashlib
import json
import os
from collections.abc import Sequence
from importlib.metadata import Distribution, distributions
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from filters.licenses.policy import judge_licenses, load_policy
from manifests.errors import UsageError
from manifests.io import files
from pipelines.demo.packages import CodeFile, code_files, hash64, package_name, prose

RECEIPT = "data/GATHERED.json"

MTIME = 1_700_000_000
"""The time of each file, in seconds: parts are named by it, and two demos give the same parts."""

GROUPS = ("stars", "issues", "forks")

CORPUS = """\
# What the demo's three jobs read: installed Python packages in the layouts of the public data sets.
output = "out"

[[source]]
name = "the-stack"
kind = "the-stack"
files = "data/stack/data/*/*.parquet"
priority = 1
license = { policy = "strict", missing = "reject" }

[[source]]
name = "starcoderdata"
kind = "starcoderdata"
files = "data/starcoderdata/*/*.parquet"
priority = 2
license = { missing = "accept" }

[[source]]
name = "the-pile"
kind = "the-pile"
files = "data/pile/train/*.jsonl.zst"
priority = 3
license = { missing = "accept" }

[dedup]
profile = "stack-v1.2"
scope = "all"

[tokenize]
tokenizer = { train = 4096 }
heldout = 0.05
"""

Counts = dict[str, dict[str, int]]
"""Directory of data/ -> its documents and their bytes."""


def write_corpus(directory: str, megabytes: float = 20) -> Counts:
    """Write CORPUS.toml and data/ of about so many megabytes of text, unless they are there.

    The bytes depend on the installed packages alone. A license is what the metadata of a package
    declare. StarCoderData's files are permissive, and most of them are in The Stack, too.

    Returns:
        What each of the three data sets holds.

    Raises:
        UsageError: the directory holds the corpus of another environment.
    """
    installed = _installed()
    versions = [f"{name}=={d.version}" for name, d in installed.items()]
    digest = hashlib.sha256(json.dumps([megabytes, versions]).encode()).hexdigest()
    receipt = files.join(directory, RECEIPT)
    if files.exists(receipt):
        known = json.loads(files.read_bytes(receipt))
        if known["digest"] != digest:
            raise UsageError(
                f"{directory}: holds the corpus of other packages than are installed here; delete "
                "it, or name another directory"
            )
        counts: Counts = known["counts"]
        return counts
    counts = _write(Path(directory), list(installed.values()), int(megabytes * 1e6))
    files.write_json(receipt, {"digest": digest, "counts": counts})
    return counts


def _installed() -> dict[str, Distribution]:
    """Return the distributions of this environment by name, without Stackpile."""
    named = {package_name(d): d for d in reversed(list(distributions()))}
    return {name: d for name, d in sorted(named.items()) if name != "stackpile"}


def _write(directory: Path, installed: Sequence[Distribution], budget: int) -> Counts:
    """Write the data sets and CORPUS.toml; return what they hold."""
    code = code_files(installed, budget * 3 // 5)
    lots = [hash64("lot", file.path) % 10 for file in code]
    stack = [file for file, lot in zip(code, lots, strict=True) if lot < 8]
    others = [file for file, lot in zip(code, lots, strict=True) if lot >= 5]
    licenses = [list(file.licenses) for file in others]
    kept = judge_licenses(load_policy("stack-v1.1"), licenses, "reject").kept
    starcoderdata = [file for file, is_kept in zip(others, kept, strict=True) if is_kept]
    pile = prose(installed, budget // 4)
    _write_languages(directory / "data/stack/data", stack, _stack_row)
    _write_languages(directory / "data/starcoderdata", starcoderdata, _starcoderdata_row)
    for number in range(2):
        lines = [
            json.dumps({"text": text, "meta": {"pile_set_name": name}})
            for name, text in pile[number::2]
        ]
        data = zstandard.ZstdCompressor().compress("\n".join([*lines, ""]).encode())
        _put(directory / f"data/pile/train/{number:02d}.jsonl.zst", data)
    _put(directory / "CORPUS.toml", CORPUS.encode())
    return {
        "stack": _count([file.text for file in stack]),
        "starcoderdata": _count([file.text for file in starcoderdata]),
        "pile": _count([text for _, text in pile]),
    }


def _count(texts: Sequence[str]) -> dict[str, int]:
    return {"documents": len(texts), "bytes": sum(len(text.encode()) for text in texts)}


def _write_languages(directory: Path, code: Sequence[CodeFile], row: Any) -> None:
    """Write LANG/train-00000-of-00001.parquet for each language."""
    ordered = sorted(code, key=lambda file: (file.language[1], hash64(file.path)))
    for language, group in groupby(ordered, key=lambda file: file.language[1]):
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist([row(file) for file in group]), sink)
        place = directory / language / "train-00000-of-00001.parquet"
        _put(place, sink.getvalue().to_pybytes())


def _stack_row(file: CodeFile) -> dict[str, Any]:
    """Return the columns of The Stack that Stackpile reads, and the Git hash of the content."""
    raw = file.text.encode()
    return {
        "hexsha": hashlib.sha1(b"blob %d\0" % len(raw) + raw).hexdigest(),
        "lang": file.language[0],
        "content": file.text,
        "max_stars_repo_path": file.path,
        "max_stars_count": pa.scalar(None, pa.int64()),
        **{f"max_{group}_repo_name": file.repository for group in GROUPS},
        **{f"max_{group}_repo_licenses": list(file.licenses) for group in GROUPS},
    }


def _starcoderdata_row(file: CodeFile) -> dict[str, Any]:
    """Return the five columns of StarCoderData; each tag of the prefix has a chance of 0.2."""
    tags = (("reponame", file.repository), ("filename", file.path), ("gh_stars", "0"))
    chosen = [f"<{tag}>{value}" for tag, value in tags if hash64(tag, file.path) % 5 == 0]
    return {
        "max_stars_repo_path": file.path,
        "max_stars_repo_name": file.repository,
        "max_stars_count": pa.scalar(None, pa.int64()),
        "id": str(hash64("id", file.path)),
        "content": "".join([*chosen, "\n" if chosen else "", file.text]),
    }


def _put(place: Path, data: bytes) -> None:
    """Write a file whose time is fixed before it gets its name."""
    with files.replacing(str(place)) as output:
        output.write(data)
        output.flush()
        os.utime(output.fileno(), (MTIME, MTIME))
