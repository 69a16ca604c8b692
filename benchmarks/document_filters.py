"""Document filters on one core: the arithmetic ones, decontamination, HTML, comments, redaction.

Every rate is compared with a rate of the same run: plain Python, a search for each text, the
library that a filter is built on, or a copy of the same bytes in memory. The texts of benchmarks
are read from ../eval beside the corpus, or made up in the same number.
"""

import random
import warnings
from collections.abc import Callable
from functools import partial
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
from filters.utf8 import text_bytes
from manifests.components import slug

RUNS = 5
SLOW_RUNS = 3
SLOW_BYTES = 4 << 20
"""Maximum bytes of text for filters that process a few MB/s."""

PLAIN_FILES = 100
"""Number of files for the peers in plain Python."""

NAMES = ("HumanEval.jsonl.gz", "mbpp.jsonl", "lambada_test.jsonl", "piqa_valid.jsonl", "mtpb.jsonl")

PACKAGES = ("numba", "numpy", "pyarrow")


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
    """Return all files of stack/data/LANG/*.parquet as one batch."""
    texts, components, paths = [], [], []
    for file in sorted(data.glob("stack/data/*/*.parquet")):
        table = pq.read_table(file, columns=["content", "max_stars_repo_path"])
        texts += table["content"].cast(pa.large_string()).chunks
        components += [slug(file.parent.name)] * table.num_rows
        paths += table["max_stars_repo_path"].to_pylist()
    return Batch(["code"] * len(paths), components, paths, pa.chunked_array(texts).combine_chunks())


def arithmetic(batch: Batch) -> Claim:
    """Compare all filters except HTML and comments, on code and as prose, with plain Python."""
    code = {n: t for n, t in registry.settings(None).items() if "html" not in n}
    prose = {n: t for n, t in code.items() if registry.FILTERS[n].scope.__name__ == "web"}

    def run() -> int:
        registry.apply(code, fresh(batch))
        registry.apply(prose, fresh(batch, "prose", "pile-cc"))
        return int(batch.texts.nbytes)

    few = sample(batch).to_pylist()

    def plain() -> int:
        for text in few:
            lines, words = text.split("\n"), text.split()
            max(map(len, lines)), sum(map(len, words))
            sum(map(str.isalnum, text)), sum(map(str.isalpha, text))
        return len("".join(few).encode())

    run()
    ours, peer = medians(RUNS, lambda: rate(run) / 1e6, lambda: rate(plain) / 1e6)
    claim = f"{len(code)} arithmetic filters, MB/s on one core against 4 of them in plain Python"
    return Claim(claim, ours, peer, 2, PACKAGES)


def sample(batch: Batch) -> pa.Array:
    """Return the texts of PLAIN_FILES documents, drawn at random."""
    return batch.texts.take(random.Random(1).sample(range(len(batch.texts)), PLAIN_FILES))


def fresh(batch: Batch, genre: Genre | None = None, component: str | None = None) -> Batch:
    """Return the same documents without shared results, on request of another genre."""
    components = [component] * len(batch.paths) if component else batch.components
    genres = [genre] * len(batch.paths) if genre else batch.genres
    return Batch(genres, components, batch.paths, batch.texts)


def decontaminating(data: Path, batch: Batch) -> list[Claim]:
    """Compare rolling hashes with a search for each text and with a copy of the texts."""
    sought = decontamination.index_benchmarks(read_evaluations(data))
    say(f"document_filters: {len(sought.texts):,} texts of benchmarks")
    few = sample(batch)
    data_bytes, _ = text_bytes(batch.texts)

    def ours() -> int:
        decontamination.find(sought, batch.texts)
        return int(batch.texts.nbytes)

    def plain() -> int:
        lowered = [text.text.lower() for text in sought.texts]
        for document in few.to_pylist():
            content = document.lower()
            any(text in content for text in lowered)
        return int(few.nbytes)

    def copy() -> int:
        return int(data_bytes.copy().nbytes)

    ours()
    works = (ours, plain, copy)
    rolled, searched, copied = medians(RUNS, *(partial(rate, work) for work in works))
    name = f"decontamination from {len(sought.texts):,} texts, MB/s on one core"
    by_search = f"{name} against a search for each, as BigCode's"
    by_copy = f"{name} against a copy in memory"
    return [
        Claim(by_search, rolled / 1e6, searched / 1e6, 100, PACKAGES),
        Claim(by_copy, rolled / 1e6, copied / 1e6, 0.02, PACKAGES),
    ]


def read_evaluations(data: Path) -> list[BenchmarkText]:
    """Return the benchmarks beside the corpus, or 5,000 made-up passages."""
    paths = [str(path) for name in NAMES if (path := data.parent / "eval" / name).exists()]
    if paths:
        return evaluations.load_benchmarks(paths)
    draw = random.Random(1)
    words = ["".join(draw.choices("abcdefghij", k=6)) for _ in range(2000)]
    texts = (" ".join(draw.choices(words, k=60)) for _ in range(5000))
    return [
        BenchmarkText("made-up", str(number), "text", text) for number, text in enumerate(texts)
    ]


def html(batch: Batch) -> Claim:
    """Compare the visible text of pages with Beautiful Soup's parse alone."""
    from bs4 import BeautifulSoup

    selection = some(batch, lambda component: pages("code", component, ""))
    texts = selection.texts.to_pylist()

    def ours() -> int:
        visible_text(fresh(selection))
        return int(selection.texts.nbytes)

    def parse() -> int:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for text in texts:
                BeautifulSoup(text, features="html.parser")
        return int(selection.texts.nbytes)

    claim = "visible text of HTML, MB/s of HTML against the parse alone"
    return beside(claim, ours, parse, "beautifulsoup4")


def comments(batch: Batch) -> Claim:
    """Compare the share of comments with Pygments alone."""
    from pygments.lexers import get_lexer_by_name

    selection = some(batch, lambda component: component in LEXERS)
    pairs = list(zip(selection.texts.to_pylist(), selection.components, strict=True))

    def ours() -> int:
        comment_share(fresh(selection))
        return int(selection.texts.nbytes)

    def lex() -> int:
        lexers = {name: get_lexer_by_name(alias) for name, alias in LEXERS.items()}
        for text, component in pairs:
            for _ in lexers[component].get_tokens_unprocessed(text):
                pass
        return int(selection.texts.nbytes)

    claim = "share of comments, MB/s of Python, Java and JavaScript against the lexer alone"
    return beside(claim, ours, lex, "pygments")


def redacting(batch: Batch) -> Claim:
    """Compare redaction with the same patterns over every text."""
    selection = some(batch, lambda component: True)

    def ours() -> int:
        redaction.redact(selection.texts)
        return int(selection.texts.nbytes)

    def plain() -> int:
        for text in selection.texts.to_pylist():
            redaction.redact_text(text)
        return int(selection.texts.nbytes)

    claim = "redaction, MB/s against the patterns over every text"
    return beside(claim, ours, plain, "pyarrow")


def beside(claim: str, ours: Callable[[], int], peer: Callable[[], int], package: str) -> Claim:
    """Return a claim without a goal: a rate and the rate of a peer."""
    for work in (ours, peer):
        work()
    rates = medians(SLOW_RUNS, partial(rate, ours), partial(rate, peer))
    return Claim(claim, rates[0] / 1e6, rates[1] / 1e6, 0, (package,))


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


if __name__ == "__main__":
    main("benchmarks.document_filters", measure)
