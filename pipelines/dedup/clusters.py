"""Clusters: hashes become forests, forests one union, and the best of each cluster stays."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np

from filters.dedup.minhash import load_profile
from filters.dedup.union_find import U32, UNCLUSTERED, Indexes, Union, parts_and_rows
from manifests.errors import DataError
from manifests.io import files
from manifests.io.digest import short_digest
from manifests.lineage.receipts import (
    FileRecord,
    Receipt,
    file_record,
    is_whole,
    load_receipt,
    save_receipt,
)
from pipelines.dedup.previous_corpora import Parts
from pipelines.dedup.rank_clusters import Span, Verification
from pipelines.dedup.spanning_forests import Round, rounds
from pipelines.runtime import progress, runners
from pipelines.runtime.runners import Runner

STEP = "clusters"

ENTRIES = 8_000_000
"""Hashes that a round of the in-process engine shuffles, at most: 16 bytes each, of which a round
takes about five times as much (measured with Beam 2.77 and workers that are threads)."""

LEAST = 4
"""Columns of a round at least: above ENTRIES / 4 documents, memory grows by some 350 bytes for
each (measured at 25 bands: 0.9 GB at 1 million documents, 4.1 GB at 10 million)."""

Counts = dict[str, int | dict[str, int]]

MEMBERS = 4_000_000
"""Documents whose clusters one task ranks at once: about 1 GB."""


@dataclass(frozen=True)
class Clusters:
    """Finds the clusters of all parts, and writes the documents that go and what stays instead."""

    parts: Parts
    digest: str
    """The step digest."""
    priorities: dict[str, int]
    """Source -> priority: the lowest stays."""
    verification: Verification

    @property
    def directory(self) -> str:
        """Where everything is written: dedup/."""
        return self.parts.directory

    @property
    def name(self) -> str:
        """Of the clusters' receipt, and of their folder."""
        return short_digest([STEP, self.digest])

    def run(self, runner: Runner) -> Receipt:
        """Find the clusters unless they are there, and return their receipt."""
        receipt = self._done(self.name)
        if receipt is None:
            bands, _ = load_profile(self.verification.profile).banding
            parts = self.parts.read()
            documents = sum(part.documents for part in parts)
            entries, least = (ENTRIES, LEAST) if runner.in_process else (0, bands + 1)
            forests = rounds(self.parts, self._url("forests"), documents, bands, entries, least)
            with progress.parts(self.directory, STEP, len(forests) + 2, 0):
                made = [self._round(runner, each, len(parts)) for each in forests]
                spans = self._spans(runner, sorted(path for paths in made for path in paths))
                self._rank(runner, spans)
                receipt = self._finish(spans)
        return receipt

    def _url(self, *names: str) -> str:
        return files.join(self.directory, STEP, self.name, *names)

    def _receipt_name(self, *of: object) -> str:
        return short_digest([STEP, self.digest, *of])

    def _done(self, name: str) -> Receipt | None:
        receipt = load_receipt(self.directory, name)
        return receipt if receipt and is_whole(self.directory, receipt) else None

    def _round(self, runner: Runner, each: Round, parts: int) -> list[str]:
        """Link the addresses that share a hash in some columns; return the forests' paths.

        Forests are left where they are: another run of the same command may be reading them.
        """
        name = self._receipt_name("round", each.columns)
        done = self._done(name)
        if done:
            return list(done.files)
        if parts:
            runners.run(runner, parts, each.build)
        found = [n for n in files.list_names(each.directory) if n.startswith(f"{each.number}-")]
        paths = [f"{STEP}/{self.name}/forests/{file}" for file in found]
        records = {path: file_record(self.directory, path) for path in paths}
        save_receipt(
            self.directory, Receipt(name=name, step=STEP, digest=self.digest, files=records)
        )
        return paths

    def _spans(self, runner: Runner, forests: list[str]) -> list[Span]:
        """Number all clusters in one task, unless that is done, and share them out."""
        name = self._receipt_name("labels")
        receipt = self._done(name)
        if receipt is None:
            _in_a_task(runner, [(name, forests)], self._label)
            receipt = self._done(name)
        assert receipt is not None
        return [
            Span(
                low=low,
                high=high,
                parts=self.parts,
                labels=self._url("labels"),
                priorities=self.priorities,
                verification=self.verification,
                directory=self.directory,
                path=f"{STEP}/{self.name}/{low}.parquet",
                name=self._receipt_name("span", low),
                digest=self.digest,
            )
            for low, high in receipt.extra["spans"]
        ]

    def _label(self, work: tuple[str, list[str]]) -> None:
        """Unite all forests and write every document's cluster."""
        name, forests = work
        parts = self.parts.read()
        starts = np.cumsum([0, *(part.documents for part in parts)])
        if starts[-1] >= int(UNCLUSTERED):
            raise DataError(f"{starts[-1]:,} documents are more than one deduplication can number")
        numbers = np.array([part.part for part in parts], np.uint32)
        union = Union(int(starts[-1]))
        for path in forests:
            with files.open_input(files.join(self.directory, path)) as source:
                edges = np.load(source, allow_pickle=False)
            where, rows = parts_and_rows(edges)
            union.link(starts[np.searchsorted(numbers, where)] + rows)
        labels, sizes = union.clusters()
        with files.replacing(self._url("labels")) as output:
            output.write(labels.data)
        path = f"{STEP}/{self.name}/labels"
        receipt = Receipt(
            name=name,
            step=STEP,
            digest=self.digest,
            files={path: file_record(self.directory, path)},
            extra={"spans": spans(sizes, MEMBERS)},
        )
        save_receipt(self.directory, receipt)

    def _rank(self, runner: Runner, spans: list[Span]) -> None:
        todo = [span for span in spans if not self._done(span.name)]
        if todo:
            _in_a_task(runner, todo, Span.run)

    def _finish(self, spans: list[Span]) -> Receipt:
        """Write the receipt of all clusters."""
        made = [load_receipt(self.directory, span.name) for span in spans]
        counts, records = merged([each for each in made if each])
        receipt = Receipt(
            name=self.name, step=STEP, digest=self.digest, files=records, counts=counts
        )
        save_receipt(self.directory, receipt)
        return receipt


def merged(receipts: Sequence[Receipt]) -> tuple[Counts, dict[str, FileRecord]]:
    """Return what some receipts count together, and all their files."""
    counts: dict[str, Counter[str]] = {"cluster_sizes": Counter(), "verified": Counter()}
    records: dict[str, FileRecord] = {}
    for each in receipts:
        records |= each.files
        for kind, counted in each.counts.items():
            assert isinstance(counted, dict)
            counts[kind].update(counted)
    sizes = sorted(counts["cluster_sizes"].items(), key=lambda item: int(item[0]))
    return {"cluster_sizes": dict(sizes), "verified": dict(counts["verified"])}, records


def spans(sizes: U32, members: int) -> list[list[int]]:
    """Cut clusters of some sizes, uint32 [c], into spans [low, high) of about `members` each."""
    ends: Indexes = np.cumsum(sizes, dtype=np.int64)
    found, low = [], 0
    while low < len(sizes):
        before = ends[low - 1] if low else 0
        high = max(low + 1, int(np.searchsorted(ends, before + members, side="right")))
        found.append([low, high])
        low = high
    return found


def _in_a_task(runner: Runner, elements: Sequence[Any], work: Callable[[Any], None]) -> None:
    """Do `work` on each element, on the engine."""
    runners.run(
        runner,
        len(elements),
        lambda pipeline: pipeline | beam.Create(elements) | "Work" >> beam.Map(work),
    )
