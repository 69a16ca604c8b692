"""A small corpus in the three public layouts, with every fate that a document can have."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

WORDS = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in ("lt", "rn", "sk", "mp", "")]

STACK = pa.schema(
    [
        ("hexsha", pa.string()),
        ("lang", pa.string()),
        ("content", pa.string()),
        ("size", pa.int64()),
        ("max_stars_repo_path", pa.string()),
        ("max_stars_count", pa.int64()),
        *[
            (f"max_{group}_repo_{field}", kind)
            for group in ("stars", "issues", "forks")
            for field, kind in (("name", pa.string()), ("licenses", pa.list_(pa.string())))
        ],
    ]
)


def code(seed: int, lines: int = 40) -> str:
    """Return a made-up program, the same for the same seed and nothing like any other."""
    draw = random.Random(seed)
    return "".join(
        f"def {draw.choice(WORDS)}_{seed}_{i}({draw.choice(WORDS)}):\n"
        f"    return {draw.choice(WORDS)} + {draw.randrange(10**6)}\n"
        for i in range(lines)
    )


def prose(seed: int, lines: int = 40) -> str:
    """Return made-up sentences, the same for the same seed and nothing like any others."""
    draw = random.Random(seed)
    return "".join(
        f"The {draw.choice(WORDS)} of {draw.choice(WORDS)} and {draw.choice(WORDS)}{seed}x{i} "
        f"have {draw.choice(WORDS)} to be {draw.choice(WORDS)} with {draw.choice(WORDS)}.\n"
        for i in range(lines)
    )


def stack_row(
    text: str | None, license: Sequence[str | None] | None, **fields: Any
) -> dict[str, Any]:
    """Return a row of The Stack; all three repositories are the same one."""
    repository = fields.get("repository", "someone/something")
    row: dict[str, Any] = {
        "hexsha": "0" * 40,
        "lang": fields.get("lang", "Python"),
        "content": text,
        "size": len(text or ""),
        "max_stars_repo_path": fields.get("path", "a.py"),
        "max_stars_count": fields.get("stars"),
    }
    for group in ("stars", "issues", "forks"):
        row[f"max_{group}_repo_name"] = repository
        row[f"max_{group}_repo_licenses"] = license
    return row


def write_stack(path: Path, rows: list[dict[str, Any]], group: int = 20) -> None:
    """Write rows as a file of The Stack, a few row groups to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=STACK), path, row_group_size=group)


def write_pile(path: Path, documents: list[tuple[Any, str]]) -> None:
    """Write (text, set) pairs as a file of the Pile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"text": t, "meta": {"pile_set_name": s}}) for t, s in documents]
    data = "".join(line + "\n" for line in lines).encode()
    path.write_bytes(zstandard.ZstdCompressor().compress(data))


def write_starcoderdata(path: Path, rows: list[tuple[str, str]]) -> None:
    """Write (text, repository) pairs as a file of StarCoderData."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {
        "max_stars_repo_path": ["a.py"] * len(rows),
        "max_stars_repo_name": [repository for _, repository in rows],
        "max_stars_count": [None if i % 2 else i for i in range(len(rows))],
        "id": [str(i) for i in range(len(rows))],
        "content": [text for text, _ in rows],
    }
    pq.write_table(pa.table(columns), path)


CORPUS = """
output = "out"
max_failed = {max_failed}
[[source]]
name = "the-stack"
kind = "the-stack"
files = "data/stack/data/*/*.parquet"
priority = 1
license = {{ policy = "strict", missing = "reject" }}
[[source]]
name = "starcoderdata"
kind = "starcoderdata"
files = "data/starcoderdata/*/*.parquet"
priority = 2
[[source]]
name = "pile"
kind = "the-pile"
files = "data/pile/train/*.jsonl.zst"
components = ["Wikipedia (en)", "Pile-CC"]
priority = 3
license = {{ missing = "accept" }}
[tokenize]
tokenizer = {{ train = 700, masks = 20 }}
heldout = 0.1
"""


def write_corpus(directory: Path, max_failed: float = 0.01) -> Path:
    """Write the corpus and its CORPUS.toml."""
    mit, gpl = ["MIT"], ["GPL-3.0-only"]
    repositories = [f"owner{i % 7}/repo{i % 13}" for i in range(60)]
    python = [
        stack_row(code(i), mit, repository=repositories[i], path=f"p{i}.py", stars=i)
        for i in range(40)
    ]
    python += [
        stack_row(code(100), gpl, path="gpl.py"),
        stack_row(code(101), None, path="nobody-knows.py"),
        stack_row(code(3), mit, path="exact-copy.py", stars=99),
        stack_row(code(4).replace("    ", "\t"), mit, path="normalized-copy.py"),
        stack_row(code(5) + "x = 1\n", mit, path="near-copy.py"),
        stack_row("", mit, path="empty.py"),
        stack_row(None, mit, path="null.py"),
        stack_row("x" * 5000 + "\n", mit, path="long-line.py"),
        stack_row("short", mit, path="short.py"),
    ]
    write_stack(directory / "data/stack/data/python/train-00000-of-00001.parquet", python)
    cpp = [stack_row(code(200 + i), mit, lang="C++", path=f"c{i}.cpp") for i in range(20)]
    write_stack(directory / "data/stack/data/cpp/train-00000-of-00001.parquet", cpp)
    star = [(code(300 + i), repositories[i]) for i in range(15)]
    star += [(f"<reponame>owner0/repo0<gh_stars>0\n{code(0)}", "owner0/repo0")]
    write_starcoderdata(directory / "data/starcoderdata/python/train-00000-of-00001.parquet", star)
    wikipedia, web = "Wikipedia (en)", "Pile-CC"
    pile: list[tuple[Any, str]] = [(prose(400 + i), wikipedia if i % 2 else web) for i in range(30)]
    pile += [(prose(500), "Enron Emails"), (["a list", "of strings"], wikipedia), (None, web)]
    write_pile(directory / "data/pile/train/00.jsonl.zst", pile)
    path = directory / "CORPUS.toml"
    path.write_text(CORPUS.format(max_failed=max_failed))
    return path
