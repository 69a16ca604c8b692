"""What the first job does to a row of the plan: documents/, decisions/ and a receipt of a part."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyarrow as pa

from filters.licenses.policy import load_policy
from filters.quality import registry
from filters.quality.batch import Batch
from filters.scancode import veto
from filters.scancode.client import Detector
from manifests.io import files
from manifests.lineage.receipts import (
    FileRecord,
    Receipt,
    file_record,
    is_whole,
    load_receipt,
    save_receipt,
)
from pipelines.corpus.corpus import Corpus
from pipelines.license_filter.decisions import Decided, decide, with_licenses
from pipelines.license_filter.plan import part_name
from pipelines.license_filter.reference_lists import Held, load_lists
from pipelines.license_filter.repository_licenses import load_table
from pipelines.license_filter.writer import Behind, write_by_component

STEP = "license_filter"


def warm_up() -> None:
    """Load the kernels and tables that every part needs."""
    texts = pa.array(["# Licensed under MIT\n"], pa.large_string())
    registry.apply(registry.settings(None), Batch(["code"], ["python"], ["a.py"], texts))
    veto.statements(texts)
    load_policy("strict")


@dataclass
class FilterLicenses:
    """Makes documents/, decisions/ and a receipt of each part of the plan."""

    directory: str
    corpus: Corpus
    lists: Held
    """What documents are compared with, as it was when the run began."""
    repositories: Mapping[str, str] = field(default_factory=dict)
    """Source -> the table of licenses by repository that it asks for."""

    def setup(self) -> None:
        """Load what documents are compared with; policies load when they are first used."""
        self._lists = load_lists(self.corpus, self.lists)
        self._detector = Detector()
        self._behind = Behind()
        self._repositories = {source: load_table(url) for source, url in self.repositories.items()}

    def receipts(self, row: dict[str, Any]) -> Iterator[str]:
        """Yield the names of a plan row's parts, as many as there may be."""
        piece = 0
        while True:
            yield part_name(row, piece)
            piece += 1

    def work(self, row: dict[str, Any]) -> Iterator[Receipt]:
        """Read a row's input, part by part, and pass over the parts that are whole.

        The last part may be written until `finish` has returned.
        """
        source = self.corpus.named(row["source"])
        for part in source.layout.read(row["url"], row["input"], (row["start"], row["stop"])):
            name = part_name(row, part.number)
            receipt = load_receipt(self.directory, name)
            if receipt is not None and is_whole(self.directory, receipt):
                yield receipt
            else:
                rows = with_licenses(part.rows, self._repositories.get(source.name))
                decided = decide(source, self.corpus, rows, self._lists, self._detector)
                write = partial(self._write, decided, row, name, part.last)
                yield from self._behind.put(write, decided.bytes)

    def finish(self) -> None:
        """Wait until every part of `work` is written."""
        for _ in self._behind.wait():
            pass

    def _write(self, decided: Decided, row: dict[str, Any], name: str, last: bool) -> Receipt:
        written = {
            f"documents/{name}.parquet": decided.documents(),
            f"decisions/{name}.parquet": decided.decisions(),
        }
        records: dict[str, FileRecord] = {}
        for path, table in written.items():
            write_by_component(files.join(self.directory, path), table)
            records[path] = file_record(self.directory, path)
        receipt = Receipt(
            name=name,
            step=STEP,
            digest=row["step"],
            files=records,
            counts=decided.counts,
            funnel=decided.funnel(),
            last=last,
            extra={"source": row["source"], "input": row["input"]},
        )
        save_receipt(self.directory, receipt)
        return receipt
