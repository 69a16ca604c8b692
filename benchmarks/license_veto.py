"""The header veto against ScanCode run on each whole file: verdicts, rates, and who is right.

The corpus holds stack/data/LANG/*.parquet and truth/files.parquet. Labelled license texts are
beside the corpus, in license-truth/license_files.parquet. Both sides use the same policy and the
same rule about matches, and read the same files in one run. ScanCode runs in this process with its
own index, not with the fast index of the veto's server. Everything runs on one core. Precision,
recall and every disagreement are printed on stderr.
"""

import os
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from licensedcode.cache import get_index

from benchmarks.claims import Claim, main, medians, say
from filters.licenses.policy import Policy, load_policy
from filters.scancode import veto
from filters.scancode.client import Detector
from filters.scancode.detector import Match, as_match
from filters.scancode.words import NAMES, WORDS

FILES = int(os.environ.get("VETO_FILES", "100"))
"""Number of real files that ScanCode reads whole, at 0.5 to 2.5 files a second."""

LABELLED = int(os.environ.get("VETO_LABELLED", "500"))
"""Number of labelled texts that ScanCode reads whole."""

RUNS = 5

PACKAGES = ("scancode-toolkit", "license-expression", "numba", "pyarrow")


class Veto(NamedTuple):
    """The files that the veto denies, of n files, and the cost."""

    denied: set[int]
    texts: int
    detected: int
    seconds: float


def measure(data: Path) -> Sequence[Claim]:
    """Compare the veto with ScanCode on real files and on labelled texts."""
    use_one_core()
    policy = load_policy("strict")
    get_index()
    stack = read_stack(data)
    draw = random.Random(1)
    sample = stack.take(draw.sample(range(stack.num_rows), FILES))
    agreed, rate = compare("real files", sample, policy)
    claims = [agreed[0], *rates(stack, policy, rate)]
    truth = data.parent / "license-truth" / "license_files.parquet"
    if truth.exists():
        labelled = read_labelled(truth)
        sample = labelled.take(draw.sample(range(labelled.num_rows), LABELLED))
        agreed, _ = compare("labelled texts", sample, policy)
        claims += agreed
    return claims


def use_one_core() -> None:
    """Bind this process and its children to the first core that it may use."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def read_stack(data: Path) -> pa.Table:
    """Return text and truth of each file: whether its license must be denied, or null.

    The truth is known for files whose license people recorded (DEP-5).
    """
    columns = ["content", "max_stars_repo_name", "max_stars_repo_path"]
    paths = sorted(data.glob("stack/data/*/*.parquet"))
    table = pa.concat_tables([pq.read_table(path, columns=columns) for path in paths])
    truth = data / "truth" / "files.parquet"
    rows = pq.read_table(truth).to_pylist() if truth.exists() else []
    known = {(row["repo_name"], row["path"]): row["file_permissive"] for row in rows}
    names = zip(*(table[name].to_pylist() for name in columns[1:]), strict=True)
    answers = [known.get(name) for name in names]
    denied = pa.array([None if answer is None else not answer for answer in answers], pa.bool_())
    return pa.table({"text": table["content"].cast(pa.large_string()), "denied": denied})


def read_labelled(path: Path) -> pa.Table:
    """Return the labelled license texts: permissive texts are allowed, others denied."""
    table = pq.read_table(path)
    answer = {"permissive": False, "not_permissive": True, "no_licence": False}
    denied = [answer.get(label) for label in table["label"].to_pylist()]
    return pa.table({"text": table["text"].cast(pa.large_string()), "denied": denied})


def run_veto(texts: Any, policy: Policy, detector: Detector) -> Veto:
    """Run the veto over texts."""
    start = time.perf_counter()
    stated = veto.statements(texts)
    distinct = veto.distinct_texts(stated)
    answer = detector.detect(distinct)
    result = dict(zip(distinct, answer.found, strict=True))
    denied = veto.denials(stated, result.get, policy)
    return Veto(set(denied), len(distinct), answer.detected, time.perf_counter() - start)


def run_scancode(texts: Sequence[str], policy: Policy) -> tuple[set[int], float]:
    """Run ScanCode over each whole file; return the denied files and the seconds."""
    index = get_index()
    start = time.perf_counter()
    matches = [index.match(query_string=text) for text in texts]
    seconds = time.perf_counter() - start
    denied = {row for row, m in enumerate(matches) if is_denied(map(as_match, m), policy)}
    return denied, seconds


def is_denied(matches: Iterable[Match], policy: Policy) -> bool:
    """Return whether the matches of a whole file deny the file."""
    return any(
        match.score >= veto.SCORE
        and not match.clue
        and policy.judge_header(match.expression).judgment == "deny"
        for match in matches
    )


def rates(stack: pa.Table, policy: Policy, scancode: float) -> list[Claim]:
    """Claim the rates of the veto over the whole corpus: cold, without the seed, and warm."""
    texts = stack["text"].combine_chunks()
    veto.statements(texts.slice(0, 1))
    with tempfile.TemporaryDirectory() as cache:
        cold = run_veto(texts, policy, Detector(cache, seed=False))
        warm = run_veto(texts, policy, Detector(cache, seed=False))
    assert cold.denied == warm.denied
    for run in (cold, warm):
        say(f"{run.detected} detections, {texts.nbytes / run.seconds / 1e6:.1f} MB/s")
    say(f"{len(cold.denied)} of {len(texts)} files deny themselves")
    quality("veto, files with a license of their own", cold.denied, stack["denied"].to_pylist())
    plain = "x = f(y) + g(z)\n" * 1000
    column = pa.array([plain] * 1000, pa.large_string())
    pattern = re.compile("|".join([*WORDS, *NAMES]), re.IGNORECASE)
    search, words = medians(
        RUNS, lambda: timed(pattern.search, plain), lambda: timed(veto.statements, column) / 1000
    )
    megabytes = len(plain) / 1e6
    return [
        Claim(
            "header veto, cold cache, against ScanCode on whole files, on one core (files/s)",
            len(texts) / cold.seconds,
            scancode,
            100,
            PACKAGES,
        ),
        Claim(
            "header veto, warm cache, against ScanCode on whole files, on one core (files/s)",
            len(texts) / warm.seconds,
            scancode,
            2000,
            PACKAGES,
        ),
        Claim("distinct texts against detections, cold", cold.texts, cold.detected, 1, PACKAGES),
        Claim(
            "text without legal words, MB/s on one core against a search by re",
            megabytes / words,
            megabytes / search,
            50,
            PACKAGES,
        ),
    ]


def timed(function: Callable[[Any], object], argument: Any) -> float:
    """Return the seconds of a call."""
    start = time.perf_counter()
    function(argument)
    return time.perf_counter() - start


def compare(name: str, table: pa.Table, policy: Policy) -> tuple[list[Claim], float]:
    """Claim the agreement of both sides and the quality of each; return ScanCode's files/s."""
    texts, truth = table["text"].combine_chunks(), table["denied"].to_pylist()
    whole, seconds = run_scancode(texts.to_pylist(), policy)
    with tempfile.TemporaryDirectory() as cache:
        ours = run_veto(texts, policy, Detector(cache, seed=False))
    good = quality(f"{name}: veto", ours.denied, truth)
    peer = quality(f"{name}: ScanCode", whole, truth)
    for row in sorted(ours.denied ^ whole):
        says = "the veto denies" if row in ours.denied else "ScanCode denies"
        right = {None: "unknown", True: "to be denied", False: "not to be denied"}[truth[row]]
        say(f"{name}: {says}; truth: {right}: {texts[row].as_py()[:150]!r}")
    agree = len(texts) - len(ours.denied ^ whole)
    of = ("scancode-toolkit",)
    claims = [
        Claim(
            f"{name} with the verdict that ScanCode has on the whole file",
            agree,
            len(texts),
            0.99,
            of,
        ),
        Claim(f"{name}: precision of denied, beside ScanCode's", good[0], peer[0], 0.99, of),
        Claim(f"{name}: recall of denied, beside ScanCode's", good[1], peer[1], 0.99, of),
    ]
    return claims, len(texts) / seconds


def quality(name: str, denied: set[int], truth: Sequence[bool | None]) -> tuple[float, float]:
    """Print and return precision and recall of "denied" for the files with a known truth."""
    known = {row: answer for row, answer in enumerate(truth) if answer is not None}
    wrong = {row for row, answer in known.items() if answer}
    judged = denied & known.keys()
    right = len(judged & wrong)
    precision, recall = right / max(1, len(judged)), right / max(1, len(wrong))
    say(f"{name}: denied with precision {precision:.4f}, recall {recall:.4f} ({len(known)} files)")
    return precision, recall


if __name__ == "__main__":
    main("benchmarks.license_veto", measure)
