"""Texts of benchmarks, read from the benchmarks' own files, that training data must not hold."""

import gzip
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from manifests.errors import UsageError
from manifests.io import files
from manifests.io.digest import canonical_json

MBPP_TEST = frozenset(map(str, range(11, 511)))
"""Tasks of MBPP's test split; some copies name tasks by numbers and others by strings
(bigcode-dataset decontamination/benchmark_data.py, TEST_IDS)."""

MIN_PROSE_WORDS = 13
"""Minimum number of words of an English text (Dolma's minimum for a paragraph: allenai/dolma
configs/dolma-v1_6/decontamination/README.md). Shorter texts occur outside of benchmarks too."""

MIN_BYTES = 16
"""Minimum bytes of a text, each run of whitespace counted as one byte (ours: shorter texts are no
evidence)."""

EXEMPT = ("return x + y", "return len(string)", "return n**2", "return ''.join(strings)")
"""Solutions of HumanEval that many programs hold (bigcode-dataset, the same file, where the last
solution lacks its quotes)."""

SOLUTION_STARTS = ("BEGIN SOLUTION", "SOLUTION START")
"""Ends of prompts of DS-1000 (the same file)."""


class BenchmarkText(NamedTuple):
    """A text of a benchmark's task that a document must not hold."""

    benchmark: str
    task: str
    piece: str
    text: str

    def __str__(self) -> str:
        """Return the text as evidence names it."""
        return f"{self.benchmark} {self.task}, {self.piece}: {' '.join(self.text.split())[:120]}"


def load_benchmarks(urls: Iterable[str]) -> list[BenchmarkText]:
    """Read files of benchmarks: JSON lines, plain or compressed by gzip.

    The keys of a row tell its format: HumanEval and its Infill variants (docstring and solution),
    MBPP (text and code of the test split), LAMBADA, PIQA, MTPB, DS-1000, APPS and GSM8K
    (questions).

    Returns:
        the texts in the order of the files. The name of a benchmark is the name of its file
        without suffixes.

    Raises:
        UsageError: a file is missing or truncated, its format is unknown, a row cannot be read, or
            the file holds no text of MIN_BYTES, such as no row of MBPP's test split.
    """
    result: list[BenchmarkText] = []
    for url in urls:
        texts = list(_texts(url))
        if not any(_length(text.text) >= MIN_BYTES for text in texts):
            raise UsageError(f"{url}: holds no text to search for (at least {MIN_BYTES} bytes)")
        result += texts
    return result


def _length(text: str) -> int:
    """Return the bytes of a text, each run of whitespace counted as one byte."""
    return len(re.sub("[ \t-\r]+", " ", text).encode())


def digest(texts: Iterable[BenchmarkText]) -> str:
    """Return the SHA-256 of texts, in their order."""
    return hashlib.sha256(canonical_json([list(text) for text in texts])).hexdigest()


def _texts(url: str) -> Iterator[BenchmarkText]:
    """Yield the texts of a file, without empty and exempt texts."""
    name = url.rpartition("/")[2].split(".")[0]
    for number, row in enumerate(_rows(url)):
        pieces = _pieces(row, f"{url}: row {number + 1}")
        task = _task(row, number)
        for piece, text in pieces:
            if text.strip() and " ".join(text.split()) not in EXEMPT:
                yield BenchmarkText(name, task, piece, text.strip())


def _task(row: Mapping[str, Any], number: int) -> str:
    """Return the id of a row's task, from the row or its metadata, or the number of the row."""
    metadata = row.get("metadata")
    tables = [row, metadata if isinstance(metadata, Mapping) else {}]
    keys = ("task_id", "problem_id", "id")
    return str(next((table[key] for table in tables for key in keys if key in table), number))


def _rows(url: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file of JSON lines; UsageError for any other content."""
    try:
        with files.open_input(url) as source:
            for line in gzip.GzipFile(fileobj=source) if url.endswith(".gz") else source:
                if line.strip():
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise ValueError("a line is not an object")
                    yield row
    except FileNotFoundError:
        raise UsageError(f"{url}: there is no such file") from None
    except (EOFError, OSError, ValueError) as error:
        raise UsageError(f"{url}: is not JSON lines, or is truncated: {error}") from None


def _pieces(row: Mapping[str, Any], place: str) -> list[tuple[str, str]]:
    """Return (name, text) of a row's pieces; UsageError, naming the place, for an unknown row."""
    read = next((reader for keys, reader in FORMATS if row.keys() >= keys), None)
    if read is None:
        raise UsageError(f"{place}: the format is unknown; the keys are {', '.join(row)}")
    try:
        pieces = read(row)
    except (AttributeError, KeyError, TypeError) as error:
        raise UsageError(f"{place} cannot be read: {error}") from None
    for name, text in pieces:
        if not isinstance(text, str) or re.search("[\ud800-\udfff]", text):
            raise UsageError(f"{place} cannot be read: {name!r} is not text")
    return pieces


def _program(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the last docstring of a program and the code after the docstring."""
    prompt, solution = row["prompt"], row["canonical_solution"] + row.get("suffix", "")
    program = prompt + solution
    for quotes in ('"""', "'''"):
        parts = program.split(quotes)
        if len(parts) >= 3:
            return [("prompt", parts[-2]), ("solution", parts[-1])]
    return [("prompt", prompt), ("solution", solution)]


def _insertion(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the prompt of DS-1000 up to the start of the solution."""
    return [("prompt", re.split("|".join(SOLUTION_STARTS), row["prompt"])[0])]


def _described(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return description and code of a task of MBPP's test split, nothing of other tasks."""
    in_test_split = str(row.get("task_id")) in MBPP_TEST
    text = row["text"] if "text" in row else row["prompt"]
    return [("text", text), ("code", row["code"])] if in_test_split else []


def _turns(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the turns of MTPB as they are, and with the values of each test filled in."""
    pieces = []
    for number, prompt in enumerate(row["prompts"]):
        for values in [{}, *row["inputs"]]:
            filled = prompt
            for name, value in values.items():
                filled = filled.replace("{" + name + "}", str(value))
            pieces.append((f"turn {number}", filled))
    return _prose(pieces)


def _items(row: Mapping[str, Any], *keys: str) -> list[tuple[str, str]]:
    """Return some keys of a row with their values."""
    return [(key, row[key]) for key in keys]


def _prose(pieces: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the pieces with at least MIN_PROSE_WORDS words."""
    return [(name, text) for name, text in pieces if len(text.split()) >= MIN_PROSE_WORDS]


FORMATS: tuple[tuple[set[str], Callable[[Mapping[str, Any]], list[tuple[str, str]]]], ...] = (
    ({"prompt", "canonical_solution"}, _program),  # HumanEval, its Infill variants
    ({"prompt", "reference_code"}, _insertion),  # DS-1000
    ({"prompts", "inputs"}, _turns),  # MTPB
    ({"goal", "sol1", "sol2"}, lambda row: _prose(_items(row, "goal", "sol1", "sol2"))),  # PIQA
    ({"question"}, lambda row: _items(row, "question")),  # APPS, GSM8K
    ({"text", "code"}, _described),  # MBPP
    ({"prompt", "code", "test_list"}, _described),  # its sanitized form
    ({"text"}, lambda row: _prose(_items(row, "text"))),  # LAMBADA
)
"""Keys of a format, and the function that returns the pieces of a row. The first match counts."""
