"""The work of the first job on one row of the plan: documents/, decisions/ and receipts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count

import pyarrow as pa

from filters.licenses.policy import load_policy
from filters.quality import registry
from filters.quality.batch import Batch
from filters.scancode import veto
from filters.scancode.client import Detector
from manifests.io import files
from manifests.lineage import StepName
from manifests.lineage.receipts import whole_receipt, write_receipt
from manifests.schemas import PlanRow
from pipelines.corpus.corpus import Corpus
from pipelines.license_filter.decisions import Decisions, decide
from pipelines.license_filter.package_choices import add_choices
from pipelines.license_filter.plan import part_name
from pipelines.license_filter.reference_lists import ListDigests, load_lists
from pipelines.license_filter.repository_licenses import add_repository_licenses, load_table
from pipelines.license_filter.writer import BackgroundWriter, write_by_component
from pipelines.runtime.step import Step

STEP: StepName = "license_filter"


def warm_up() -> None:
    """Load the kernels and tables that every part needs."""
    texts = pa.array(["# Licensed under MIT\n"], pa.large_string())
    registry.apply(registry.settings(None), Batch(["code"], ["python"], ["a.py"], texts))
    veto.statements(texts)
    load_policy("strict")


@dataclass
class FilterLicenses(Step[PlanRow]):
    """Write documents/, decisions/ and a receipt for each part of the plan."""

    directory: str
    """license_filter/."""
    corpus: Corpus
    digests: ListDigests
    """Digests of the reference lists when the run began."""
    repositories: Mapping[str, str] = field(default_factory=dict)
    """Source -> URL of the table of repository licenses, for the sources that need one."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """Source -> URL of the table of choices that package files state, where there are such."""

    def setup(self) -> None:
        """Load the reference lists and the tables of repositories."""
        self._lists = load_lists(self.corpus, self.digests)
        self._detector = Detector()
        self._writer = BackgroundWriter()
        self._repositories = {source: load_table(url) for source, url in self.repositories.items()}
        self._packages = {source: load_table(url) for source, url in self.packages.items()}

    def receipts(self, row: PlanRow) -> Iterator[str]:
        """Yield the names of the row's parts; the last one is known only from its receipt."""
        for number in count():
            yield part_name(row, number)

    def work(self, row: PlanRow) -> None:
        """Decide the parts of the row's input; parts that are whole are passed over.

        The last part may not be written until `finish` has returned.
        """
        source = self.corpus.named(row["source"])
        for part in source.layout.read(row["url"], row["input"], (row["start"], row["stop"])):
            name = part_name(row, part.number)
            if whole_receipt(self.directory, name) is None:
                rows = self._with_licenses(source.name, part.rows)
                decisions = decide(
                    source, self.corpus, rows, self._lists, self._detector, row["heldout"]
                )
                write = partial(self._write, decisions, row, name, part.last)
                self._writer.submit(write, decisions.bytes)

    def _with_licenses(self, source: str, rows: pa.Table) -> pa.Table:
        """Return the rows of a source with what is known of the licenses of their repositories."""
        if source in self._repositories:
            rows = add_repository_licenses(rows, self._repositories[source])
        if source in self._packages:
            rows = add_choices(rows, self._packages[source])
        return rows

    def finish(self) -> None:
        """Wait until all parts are written."""
        self._writer.finish()

    def _write(self, decisions: Decisions, row: PlanRow, name: str, last: bool) -> None:
        """Write the files and the receipt of a part."""
        tables = {
            f"documents/{name}.parquet": decisions.documents(),
            f"decisions/{name}.parquet": decisions.decisions(),
        }
        for path, table in tables.items():
            write_by_component(files.join(self.directory, path), table)
        write_receipt(
            self.directory,
            tables,
            name=name,
            step=STEP,
            digest=row["step"],
            counts=decisions.counts,
            funnel=decisions.funnel(),
            last=last,
            extra={"source": row["source"], "input": row["input"]},
        )
