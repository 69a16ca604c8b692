"""Measure how the time and the memory of the second job grow, also with bad input.

`stackpile dedup` runs on two workers, and its process is measured from start to end. It reads
copies of the sample with seeded edits, and synthetic signatures, for which no text is signed.
Memory is the peak of PSS of all its processes, and does not depend on the speed of the machine. The
plot is beside this file.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from benchmarks import corpora, plots
from benchmarks.claims import ROOT, Claim, main, say
from benchmarks.edited import copies
from benchmarks.memory import measured
from benchmarks.minhash_signatures import read_texts
from manifests.io import files

PLOT = ROOT / "benchmarks" / "dedup_growth.svg"

SHRINK = float(os.environ.get("DEDUP_GROWTH_SHRINK", "1"))
"""Divisor of all sizes, to try the benchmark. The plot is written for 1 only."""

COPIES = (1, 2, 4, 8)
"""Copies of the sample of 103 MB."""

MILLIONS = (1, 3, 10)
"""Millions of synthetic documents."""

LINEAR = 0.8
"""Smallest rate of the largest corpus, as a share of the rate of the smallest corpus."""

FIXED, EACH = 10**9, 600
"""Bytes of memory allowed: a fixed number, and a number for each document at 25 bands."""

PACKAGES = ("apache-beam", "numba", "numpy", "pyarrow")

UNION = """
import sys, time
import numpy as np
from filters.dedup.union_find import Union
nodes = int(sys.argv[1])
draw = np.random.default_rng(0)
start, union = time.perf_counter(), Union(nodes)
drawing = 0.0
for _ in range(20):
    before = time.perf_counter()
    edges = draw.integers(0, nodes, (nodes // 40, 2), np.uint32)
    drawing += time.perf_counter() - before
    union.link(edges)
labels, sizes = union.clusters()
print(time.perf_counter() - start - drawing)
"""


class Run(NamedTuple):
    """A finished run of dedup.

    Attributes:
        seconds: from the start of its process to its end.
        peak: bytes of memory.
        documents: documents of the input.
        bytes: bytes of their texts.
        rejected: rule -> removed documents.
    """

    seconds: float
    peak: int
    documents: int
    bytes: int
    rejected: dict[str, int]

    @property
    def allowed(self) -> int:
        """Bytes of memory that the run may take."""
        return FIXED + EACH * self.documents


def measure(data: Path) -> Sequence[Claim]:
    """Run all sizes, the small before the large, and draw the plot."""
    sample, synthetic = grow_sample(data), grow_synthetic()
    if SHRINK == 1:
        files.write_bytes(
            str(PLOT), plots.page("Growth of dedup", panels(sample, synthetic)).encode()
        )
    one, most, few, many = sample[0], sample[-1], synthetic[0], synthetic[-1]
    return [
        Claim(
            f"dedup of {most.bytes / 1e6:.0f} MB, MB/s, against {one.bytes / 1e6:.0f} MB",
            most.bytes / most.seconds / 1e6,
            one.bytes / one.seconds / 1e6,
            LINEAR,
            PACKAGES,
        ),
        Claim(
            f"dedup of {many.documents:,} signatures, thousands a second, "
            f"against {few.documents:,}",
            many.documents / many.seconds / 1e3,
            few.documents / few.seconds / 1e3,
            LINEAR,
            PACKAGES,
        ),
        memory(f"{most.documents:,} documents of {most.bytes / 1e6:.0f} MB", most),
        *(memory(f"{run.documents:,} signatures", run) for run in synthetic),
        *bad_input(),
        union_find(),
    ]


def memory(what: str, run: Run) -> Claim:
    """Return the claim that a run takes no more memory than allowed."""
    claim = f"MB allowed for {what} (1 GB and {EACH} bytes a document) over the peak of dedup"
    return Claim(claim, run.allowed / 1e6, run.peak / 1e6, 1, PACKAGES)


def dedup(place: Path, what: str) -> Run:
    """Run `stackpile dedup` on the corpus in a directory."""
    command = [sys.executable, "-m", "stackpile", "dedup", str(place / "CORPUS.toml")]
    taken = measured([*command, "--out", str(place), "--json", "--", "--direct_num_workers=2"])
    [answer] = json.loads(taken.said).values()
    totals = answer["totals"]
    run = Run(
        taken.seconds, taken.peak, totals["documents_in"], totals["bytes_in"], answer["rejected"]
    )
    say(
        f"dedup_growth: {what}: {run.seconds:.1f} s, {run.peak / 1e6:,.0f} MB of "
        f"{run.allowed / 1e6:,.0f}; {run.rejected} of {run.documents:,}"
    )
    return run


def once(what: str, write: Callable[[Path], Any]) -> Run:
    """Write a corpus, run dedup on it, and remove it."""
    with tempfile.TemporaryDirectory() as place:
        write(Path(place))
        return dedup(Path(place), what)


def grow_sample(data: Path) -> list[Run]:
    """Run dedup on more and more copies of the sample."""
    texts = read_texts(data)
    texts = texts[: int(len(texts) / SHRINK)]
    runs = []
    with tempfile.TemporaryDirectory() as place:
        written = corpora.write_texts(Path(place), copies(texts, COPIES[-1]))
        for count in COPIES:
            rows = [row for of_copy in written[:count] for row in of_copy]
            out = Path(place, f"{count}")
            corpora.write_table(out, rows)
            (out / "license_filter" / "documents").symlink_to(
                Path(place, "license_filter", "documents")
            )
            runs.append(dedup(out, f"{count} of the sample"))
    return runs


def grow_synthetic() -> list[Run]:
    """Run dedup on more and more synthetic signatures."""
    counts = [int(millions * 1e6 / SHRINK) for millions in MILLIONS]
    writers = [partial(corpora.write_synthetic, documents=n, bands=corpora.usual) for n in counts]
    return [once("synthetic", write) for write in writers]


def bad_input() -> list[Claim]:
    """Run dedup on a million equal files, on one token 50 million times, and on skewed bands."""
    million, tokens = int(1e6 / SHRINK), int(50e6 / SHRINK)
    license = "Permission is hereby granted, free of charge, to any person obtaining a copy\n" * 4
    equal = pa.array([license], pa.large_string()).take(pa.array(np.zeros(million, np.int64)))
    long = pa.array(["x " * tokens, "y", ""], pa.large_string())
    same = once("equal files", lambda place: corpora.write_texts(place, [equal]))
    assert same.rejected == {"exact": million - 1}
    one = once("one token", lambda place: corpora.write_texts(place, [long]))
    assert one.rejected == {}
    half = once("skewed", lambda place: corpora.write_synthetic(place, 2 * million, corpora.skewed))
    return [
        memory(f"{million:,} equal files", same),
        memory(f"a document of one token {tokens:,} times", one),
        memory(f"{2 * million:,} signatures, half of them in one bucket of each band", half),
    ]


def union_find() -> Claim:
    """Run union-find alone on a hundred million documents."""
    nodes = int(1e8 / SHRINK)
    taken = measured([sys.executable, "-c", UNION, str(nodes)])
    seconds = float(taken.said)
    say(f"dedup_growth: union of {nodes:,}: {seconds:.1f} s, {taken.peak / 1e6:,.0f} MB")
    claim = f"{nodes:,} documents and half as many edges to clusters: MB allowed over the peak"
    return Claim(claim, (FIXED + EACH * nodes) / 1e6, taken.peak / 1e6, 1, PACKAGES)


def panels(sample: Sequence[Run], synthetic: Sequence[Run]) -> list[plots.Panel]:
    """Return the panels of seconds and memory, with the allowed memory."""
    drawn = []
    kinds = (
        (sample, 1e3, "thousand documents: the sample and its edited copies"),
        (synthetic, 1e6, "million documents: synthetic signatures"),
    )
    for runs, unit, axis in kinds:
        sizes = [run.documents / unit for run in runs]
        seconds = [(size, run.seconds) for size, run in zip(sizes, runs, strict=True)]
        peaks = [(size, run.peak / 1e9) for size, run in zip(sizes, runs, strict=True)]
        allowed = [(size, run.allowed / 1e9) for size, run in zip(sizes, runs, strict=True)]
        drawn += [
            plots.Panel("seconds", axis, seconds),
            plots.Panel("peak memory, GB", axis, peaks, allowed),
        ]
    return drawn


if __name__ == "__main__":
    main("benchmarks.dedup_growth", measure)
