"""Document filters on one core: the arithmetic ones, decontamination, HTML, comments, redaction.

The first two have a rate that was set (60 and 80 MB/s), which stands as the peer; the others stand
beside the library that does their work, or beside the plain way, and have no goal. Benchmarks are
those in ../eval beside the corpus, or made-up ones of the same size where they are not there.
"""

import random
import warnings
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.claims import Claim, main, medians, rate, say
from filters import benchmarks as evaluations
from filters import decontamination, redaction
from filters.benchmarks import BenchmarkText
from filters.quality import registry
from filters.quality.batch import Batch, Genre
from filters.quality.comments import LEXERS, comment_share
from filters.quality.html_text import visible_text
from filters.quality.scope import pages
from manifests.components import slug

RUNS = 5
SLOW_RUNS = 3
SLOW_BYTES = 4 << 20
"""Maximum bytes of text for filters that process a few MB/s."""

PLAIN_FILES = 100
"""Files in which every text of every benchmark is searched for, one by one."""

NAMES = ("HumanEval.jsonl.gz", "mbpp.jsonl", "lambada_test.jsonl", "piqa_valid.jsonl", "mtpb.jsonl")

PACKAGES = ("numba", "numpy", "pyarrow")

ASKED = {"arithmetic": 60.0, "decontamination": 80.0}
"""MB/s on one core."""


def measure(data: Path) -> list[Claim]:
    """Measure every filter over The Stack's part of a corpus."""
    batch = read_batch(data)
    size = batch.texts.nbytes / 1e6
    say(f"document_filters: {len(batch.paths):,} files, {size:.0f} MB")
    return [
        arithmetic(batch),
        *decontaminating(data, batch),
        html(batch),
        comments(batch),
        redacting(batch),
    ]


def read_batch(data: Path) -> Batch:
    """Read all files of stack/data/LANG/*.parquet as one batch."""
    texts, components, paths = [], [], []
    for file in sorted(data.glob("stack/data/*/*.parquet")):
        table = pq.read_table(file, columns=["content", "max_stars_repo_path"])
        texts += table["content"].cast(pa.large_string()).chunks
        components += [slug(file.parent.name)] * table.num_rows
        paths += table["max_stars_repo_path"].to_pylist()
    return Batch(["code"] * len(paths), components, paths, pa.chunked_array(texts).combine_chunks())


def arithmetic(batch: Batch) -> Claim:
    """All filters that count, the rules for prose on every text too: HTML and comments apart."""
    slow = ("html_", "comments_")
    code = {n: t for n, t in registry.settings(None).items() if not n.startswith(slow)}
    prose = {n: t for n, t in code.items() if registry.FILTERS[n].scope.__name__ == "web"}

    def run() -> int:
        registry.apply(code, fresh(batch))
        registry.apply(prose, fresh(batch, "prose", "pile-cc"))
        return int(batch.texts.nbytes)

    ours = _megabytes(RUNS, run)
    claim = f"{len(code)} arithmetic filters together, MB/s on one core against the 60 set"
    return Claim(claim, ours, ASKED["arithmetic"], 1, PACKAGES)


def fresh(batch: Batch, genre: Genre | None = None, component: str | None = None) -> Batch:
    """Return the same documents with nothing worked out yet, perhaps of another genre."""
    components = [component] * len(batch.paths) if component else batch.components
    genres = [genre] * len(batch.paths) if genre else batch.genres
    return Batch(genres, components, batch.paths, batch.texts)


def decontaminating(data: Path, batch: Batch) -> list[Claim]:
    """Rolling hashes against the rate that was set, and against a search for each text."""
    sought = decontamination.index_benchmarks(read_evaluations(data))
    say(f"document_filters: {len(sought.texts):,} texts of benchmarks")
    few = batch.texts.take(random.Random(1).sample(range(len(batch.texts)), PLAIN_FILES))

    def ours() -> int:
        decontamination.find(sought, batch.texts)
        return int(batch.texts.nbytes)

    def plain() -> int:
        lowered = [text.text.lower() for text in sought.texts]
        for document in few.to_pylist():
            content = document.lower()
            any(text in content for text in lowered)
        return int(few.nbytes)

    rolled = _megabytes(RUNS, ours)
    searched = _megabytes(SLOW_RUNS, plain)
    name = f"decontamination from {len(sought.texts):,} texts, MB/s on one core"
    return [
        Claim(f"{name} against the 80 set", rolled, ASKED["decontamination"], 1, PACKAGES),
        Claim(f"{name} against a search for each, as BigCode's", rolled, searched, 1, PACKAGES),
    ]


def read_evaluations(data: Path) -> list[BenchmarkText]:
    """Read the benchmarks beside the corpus, or make up 5,000 passages."""
    found = [str(path) for name in NAMES if (path := data.parent / "eval" / name).exists()]
    if found:
        return evaluations.load_benchmarks(found)
    draw = random.Random(1)
    words = ["".join(draw.choices("abcdefghij", k=6)) for _ in range(2000)]
    texts = (" ".join(draw.choices(words, k=60)) for _ in range(5000))
    return [
        BenchmarkText("made-up", str(number), "text", text) for number, text in enumerate(texts)
    ]


def html(batch: Batch) -> Claim:
    """Visible text of pages, beside Beautiful Soup's parse alone."""
    from bs4 import BeautifulSoup

    mine = some(batch, lambda component: pages("code", component, ""))
    texts = mine.texts.to_pylist()

    def ours() -> int:
        visible_text(fresh(mine))
        return int(mine.texts.nbytes)

    def parse() -> int:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for text in texts:
                BeautifulSoup(text, features="html.parser")
        return int(mine.texts.nbytes)

    claim = "visible text of HTML, MB/s of HTML against the parse alone"
    return beside(claim, ours, parse, "beautifulsoup4")


def comments(batch: Batch) -> Claim:
    """Share of comments, beside Pygments alone."""
    from pygments.lexers import get_lexer_by_name

    mine = some(batch, lambda component: component in LEXERS)
    pairs = list(zip(mine.texts.to_pylist(), mine.components, strict=True))

    def ours() -> int:
        comment_share(fresh(mine))
        return int(mine.texts.nbytes)

    def lex() -> int:
        lexers = {name: get_lexer_by_name(alias) for name, alias in LEXERS.items()}
        for text, component in pairs:
            for _ in lexers[component].get_tokens_unprocessed(text):
                pass
        return int(mine.texts.nbytes)

    claim = "share of comments, MB/s of Python, Java and JavaScript against the lexer alone"
    return beside(claim, ours, lex, "pygments")


def redacting(batch: Batch) -> Claim:
    """Redaction with its hints, beside the same patterns over every text."""
    mine = some(batch, lambda component: True)

    def ours() -> int:
        redaction.redact(mine.texts)
        return int(mine.texts.nbytes)

    def plain() -> int:
        for text in mine.texts.to_pylist():
            redaction.redact_text(text)
        return int(mine.texts.nbytes)

    claim = "redaction, MB/s against the patterns over every text"
    return beside(claim, ours, plain, "pyarrow")


def beside(claim: str, ours: Callable[[], int], peer: Callable[[], int], package: str) -> Claim:
    """Measure a rate that has no goal beside the one of a peer."""
    for work in (ours, peer):
        work()
    mine, other = medians(SLOW_RUNS, lambda: rate(ours), lambda: rate(peer))
    return Claim(claim, mine / 1e6, other / 1e6, 0, (package,))


def some(batch: Batch, wanted: Callable[[str], bool]) -> Batch:
    """Return SLOW_BYTES of the documents of some components, drawn at random."""
    rows = [row for row, component in enumerate(batch.components) if wanted(component)]
    random.Random(1).shuffle(rows)
    taken: list[int] = []
    size = 0
    for row in rows:
        size += len(batch.texts[row].as_py().encode())
        if size > SLOW_BYTES and taken:
            break
        taken.append(row)
    taken.sort()
    components = [batch.components[row] for row in taken]
    return Batch(
        ["code"] * len(taken),
        components,
        [batch.paths[row] for row in taken],
        batch.texts.take(taken),
    )


def _megabytes(runs: int, work: Callable[[], int]) -> float:
    work()
    return medians(runs, lambda: rate(work))[0] / 1e6


if __name__ == "__main__":
    main("benchmarks.document_filters", measure)
