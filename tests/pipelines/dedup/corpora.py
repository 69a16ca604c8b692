"""Corpora of documents with near-duplicates."""

import random
from typing import Any

from tests.corpora import code
from tests.documents import Row, document


def edited(seed: int, edits: int, salt: int = 0) -> str:
    """A program of 40 functions with some of them replaced."""
    lines, others = code(seed).splitlines(keepends=True), code(seed + 5000 + salt).splitlines(True)
    for place in random.Random(seed * 31 + salt).sample(range(0, 80, 2), edits):
        lines[place : place + 2] = others[place : place + 2]
    return "".join(lines)


def mixed_corpus() -> list[Row]:
    """Documents of two sources: alone, copied, reformatted, edited a little, too short."""
    rows: list[Row] = []
    for seed in range(60):
        texts = [code(seed)]
        texts += [code(seed)] * (seed % 3)
        texts += [code(seed).replace("    ", "\t")] * (seed % 2)
        texts += [edited(seed, 1 + copy, copy) for copy in range(seed % 4)]
        texts += [f"x = {seed % 7}\n"]
        for number, text in enumerate(texts):
            fields: dict[str, Any] = {
                "path": f"{seed}/{number}.py",
                "repositories": [f"owner/{seed % 5}"],
                "stars": (seed * 7 + number) % 4,
                "heldout": seed % 11 == 0 and number == 1,
            }
            rows.append(document(text, "ab"[number % 2], **fields))
    return rows


PRIORITIES = {"a": 1, "b": 2}


def cut(rows: list[Row], parts: int, seed: int) -> list[list[Row]]:
    """Shuffle a corpus and cut each source into parts."""
    rows = random.Random(seed).sample(rows, len(rows))
    both = [[row for row in rows if row["source"] == source] for source in "ab"]
    return [source[number::parts] for source in both for number in range(parts)]


def chained(links: int) -> list[Row]:
    """Documents of which each is like the one before it, and the last nothing like the first."""
    lines = code(7, lines=40 + links).splitlines(keepends=True)
    texts = ["".join(lines[2 * start : 2 * start + 80]) for start in range(links)]
    return [document(text, path=f"{i:03}", stars=links - i) for i, text in enumerate(texts)]
