"""The header veto against ScanCode run on each whole file: verdicts, rates, and who is right.

The corpus holds stack/data/LANG/*.parquet and truth/files.parquet; labelled license texts lie
beside it, in license-truth/license_files.parquet. Both sides use the same policy and the same rule
about which matches count, and read the same files in one run, ScanCode as it comes (not the fast
index of the veto's server) in this process. All of it runs on one core: the veto's server has as
many children as the cores that it may use, and ScanCode is one loop. Precision, recall and every
disagreement are told on stderr.
"""

import os
import random
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from licensedcode.cache import get_index

from benchmarks.claims import Claim, main, say
from filters.licenses.policy import Policy, load_policy
from filters.scancode import veto
from filters.scancode.client import Detector
from filters.scancode.detector import Match, as_match

FILES = int(os.environ.get("VETO_FILES", "100"))
"""Real files that ScanCode reads whole: it does 0.5 to 2.5 a second."""

LABELLED = int(os.environ.get("VETO_LABELLED", "500"))
"""Labelled texts that it reads whole."""

PACKAGES = ("scancode-toolkit", "license-expression", "numba", "pyarrow")


class Veto(NamedTuple):
    """What the veto says of n files, and what it cost."""

    denied: set[int]
    texts: int
    detected: int
    seconds: float


def measure(data: Path) -> Sequence[Claim]:
    """Compare both sides on real files and on labelled texts."""
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
    """Keep this process, and what it starts, on the first core that it may use."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def read_stack(data: Path) -> pa.Table:
    """Return the files of the corpus: text, and whether its own license is to be denied, or null.

    The truth is known where people wrote down the license of the very file (DEP-5).
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
    """Return the labelled license texts: permissive ones are allowed, other ones denied."""
    table = pq.read_table(path)
    answer = {"permissive": False, "not_permissive": True, "no_licence": False}
    denied = [answer.get(label) for label in table["label"].to_pylist()]
    return pa.table({"text": table["text"].cast(pa.large_string()), "denied": denied})


def run_veto(texts: Any, policy: Policy, detector: Detector) -> Veto:
    """Run the veto over texts."""
    start = time.perf_counter()
    stated = veto.statements(texts)
    asked = veto.distinct_texts(stated)
    answer = detector.detect(asked)
    found = dict(zip(asked, answer.found, strict=True))
    denied = veto.denials(stated, found.get, policy)
    return Veto(set(denied), len(asked), answer.detected, time.perf_counter() - start)


def run_scancode(texts: Sequence[str], policy: Policy) -> tuple[set[int], float]:
    """Run ScanCode over each whole file, and judge its matches as the veto does."""
    index = get_index()
    start = time.perf_counter()
    found = [index.match(query_string=text) for text in texts]
    seconds = time.perf_counter() - start
    denied = {row for row, each in enumerate(found) if is_denied(map(as_match, each), policy)}
    return denied, seconds


def is_denied(found: Iterable[Match], policy: Policy) -> bool:
    """Judge what ScanCode found in a whole file."""
    return any(
        match.score >= veto.SCORE
        and not match.clue
        and policy.judge_header(match.expression).judgment == "deny"
        for match in found
    )


def rates(stack: pa.Table, policy: Policy, scancode: float) -> list[Claim]:
    """Claim how fast the veto is over the whole corpus: cold, without the seed, and warm."""
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
    plain = pa.array(["x = f(y) + g(z)\n" * 1000] * 1000, pa.large_string())
    start = time.perf_counter()
    veto.statements(plain)
    words = plain.nbytes / (time.perf_counter() - start) / 1e6
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
        Claim("text without legal words, on one core, against 100 MB/s", words, 100, 1, PACKAGES),
    ]


def compare(name: str, table: pa.Table, policy: Policy) -> tuple[list[Claim], float]:
    """Claim how often both sides agree, and how right each is; return ScanCode's files a second."""
    texts, truth = table["text"].combine_chunks(), table["denied"].to_pylist()
    whole, seconds = run_scancode(texts.to_pylist(), policy)
    with tempfile.TemporaryDirectory() as cache:
        ours = run_veto(texts, policy, Detector(cache, seed=False))
    good = quality(f"{name}: veto", ours.denied, truth)
    peer = quality(f"{name}: ScanCode", whole, truth)
    for row in sorted(ours.denied ^ whole):
        says = "the veto denies" if row in ours.denied else "ScanCode denies"
        right = {None: "nobody knows", True: "to be denied", False: "not to be denied"}[truth[row]]
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
    """Tell and return precision and recall of "denied", where the truth is known."""
    known = {row: answer for row, answer in enumerate(truth) if answer is not None}
    wrong = {row for row, answer in known.items() if answer}
    said = denied & known.keys()
    precision, recall = (
        len(said & wrong) / max(1, len(said)),
        len(said & wrong) / max(1, len(wrong)),
    )
    say(f"{name}: denied with precision {precision:.4f}, recall {recall:.4f} ({len(known)} files)")
    return precision, recall


if __name__ == "__main__":
    main("benchmarks.license_veto", measure)
