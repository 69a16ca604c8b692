"""The texts of benchmarks that must not be trained on, from their own files."""

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
"""Tasks of MBPP's test split, which some copies name by numbers and others by strings
(bigcode-dataset decontamination/benchmark_data.py, TEST_IDS)."""

PROSE_WORDS = 13
"""Words below which a text of English is too common to name a benchmark: Dolma's least length of a
paragraph (allenai/dolma configs/dolma-v1_6/decontamination/README.md)."""

LEAST = 16
"""Bytes of a text, runs of whitespace counted as one, below which it is no evidence: it is not
looked for."""

EXEMPT = ("return x + y", "return len(string)", "return n**2", "return ''.join(strings)")
"""Solutions of HumanEval that many programs hold (bigcode-dataset, the same file; the last one
lacks its quotes there)."""

SOLUTION_STARTS = ("BEGIN SOLUTION", "SOLUTION START")
"""Where a prompt of DS-1000 ends (the same file)."""


class Text(NamedTuple):
    """A piece of a task that a document must not hold."""

    benchmark: str
    task: str
    piece: str
    text: str

    def __str__(self) -> str:
        """Return how evidence names it."""
        return f"{self.benchmark} {self.task}, {self.piece}: {' '.join(self.text.split())[:120]}"


def load_benchmarks(urls: Iterable[str]) -> list[Text]:
    """Read files of benchmarks, JSON lines or such compressed by gzip, and tell them by their keys.

    HumanEval and its Infill variants (docstring and solution), MBPP (text and code of the test
    split), LAMBADA, PIQA, MTPB, DS-1000, APPS and GSM8K (questions).

    Returns:
        the texts in the order of the files; a file's name without its endings is the benchmark.

    Raises:
        UsageError: a file is missing, is broken off, of no known benchmark, holds a row that cannot
            be read, or no text that could be looked for, such as none of MBPP's test split.
    """
    found: list[Text] = []
    for url in urls:
        texts = list(_texts(url))
        if not any(_length(each.text) >= LEAST for each in texts):
            raise UsageError(f"{url}: holds no text that could be looked for")
        found += texts
    return found


def _length(text: str) -> int:
    return len(re.sub("[ \t-\r]+", " ", text).encode())


def digest(texts: Iterable[Text]) -> str:
    """Return the SHA-256 of texts, in their order."""
    return hashlib.sha256(canonical_json([list(text) for text in texts])).hexdigest()


def _texts(url: str) -> Iterator[Text]:
    name = url.rpartition("/")[2].split(".")[0]
    for number, row in enumerate(_rows(url)):
        pieces = _pieces(row, f"{url}: row {number + 1}")
        task = _task(row, number)
        for piece, text in pieces:
            if text.strip() and " ".join(text.split()) not in EXEMPT:
                yield Text(name, task, piece, text.strip())


def _task(row: Mapping[str, Any], number: int) -> str:
    """Return what a row calls its task: DS-1000 does in its metadata, GSM8K does not."""
    metadata = row.get("metadata")
    named = [row, metadata if isinstance(metadata, Mapping) else {}]
    keys = ("task_id", "problem_id", "id")
    return str(next((each[key] for each in named for key in keys if key in each), number))


def _rows(url: str) -> Iterator[dict[str, Any]]:
    try:
        with files.open_input(url) as source:
            for line in gzip.GzipFile(fileobj=source) if url.endswith(".gz") else source:
                if line.strip():
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise ValueError("a line is no object")
                    yield row
    except FileNotFoundError:
        raise UsageError(f"{url}: there is no such file") from None
    except (EOFError, OSError, ValueError) as error:
        raise UsageError(f"{url}: is not JSON lines, or broken off: {error}") from None


def _pieces(row: Mapping[str, Any], place: str) -> list[tuple[str, str]]:
    """Return (name, text) of a row's pieces by its keys; UsageError names the place."""
    read = next((pieces for keys, pieces in FORMATS if row.keys() >= keys), None)
    if read is None:
        raise UsageError(f"{place} is of no known benchmark; its keys are {', '.join(row)}")
    try:
        found = read(row)
    except (AttributeError, KeyError, TypeError) as error:
        raise UsageError(f"{place} cannot be read: {error}") from None
    for name, text in found:
        if not isinstance(text, str) or re.search("[\ud800-\udfff]", text):
            raise UsageError(f"{place} cannot be read: {name!r} is no text")
    return found


def _program(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the docstring of a program, the last one of several, and what follows it."""
    prompt, solution = row["prompt"], row["canonical_solution"] + row.get("suffix", "")
    program = prompt + solution
    for quotes in ('"""', "'''"):
        parts = program.split(quotes)
        if len(parts) >= 3:
            return [("prompt", parts[-2]), ("solution", parts[-1])]
    return [("prompt", prompt), ("solution", solution)]


def _insertion(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [("prompt", re.split("|".join(SOLUTION_STARTS), row["prompt"])[0])]


def _question(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [("question", row["question"])]


def _described(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    tested = str(row.get("task_id")) in MBPP_TEST
    text = row["text"] if "text" in row else row["prompt"]
    return [("text", text), ("code", row["code"])] if tested else []


def _choices(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    return _prose((key, row[key]) for key in ("goal", "sol1", "sol2"))


def _passage(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    return _prose([("text", row["text"])])


def _turns(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the turns of a dialogue as they are written, and with each test's values put in."""
    found = []
    for number, prompt in enumerate(row["prompts"]):
        for values in [{}, *row["inputs"]]:
            filled = prompt
            for name, value in values.items():
                filled = filled.replace("{" + name + "}", str(value))
            found.append((f"turn {number}", filled))
    return _prose(found)


def _prose(pieces: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, text) for name, text in pieces if len(text.split()) >= PROSE_WORDS]


FORMATS: tuple[tuple[frozenset[str], Callable[[Mapping[str, Any]], list[tuple[str, str]]]], ...] = (
    (frozenset({"prompt", "canonical_solution"}), _program),  # HumanEval, its Infill variants
    (frozenset({"prompt", "reference_code"}), _insertion),  # DS-1000
    (frozenset({"prompts", "inputs"}), _turns),  # MTPB
    (frozenset({"goal", "sol1", "sol2"}), _choices),  # PIQA
    (frozenset({"question"}), _question),  # APPS, GSM8K
    (frozenset({"text", "code"}), _described),  # MBPP
    (frozenset({"prompt", "code", "test_list"}), _described),  # its sanitized form
    (frozenset({"text"}), _passage),  # LAMBADA
)
"""Keys by which a benchmark is known -> its pieces; asked in this order."""
