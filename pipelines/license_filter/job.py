"""The first job: raw files to documents/ and decisions/, one part at a time."""

from typing import Any, cast

import pyarrow as pa

from manifests.io import files
from manifests.io.digest import digest
from manifests.io.parquet import write_table
from manifests.lineage.manifest import HELDOUT, FailedInput, Manifest
from manifests.lineage.parts_table import PARTS, PARTS_TABLE
from manifests.lineage.receipts import Receipt, merge_funnels, sum_counts, sum_funnel
from manifests.schemas import FORMAT, PLAN_FILE, PlanRow
from pipelines.corpus.corpus import Corpus
from pipelines.corpus.shared_files import share_files
from pipelines.license_filter import package_choices, repository_licenses
from pipelines.license_filter.plan import make_plan
from pipelines.license_filter.reference_lists import ListDigests, digest_lists
from pipelines.license_filter.step import STEP, FilterLicenses
from pipelines.preparation import Preparation, remove_stale_manifest, totals_of, write_manifest
from pipelines.runtime.job import Job, ProcessParts
from pipelines.runtime.step import check_failures, dead_letters

CONFIG = ("source", "filters", "decontaminate", "opt_out", "max_failed")
"""The tables and keys of CORPUS.toml that the manifest records."""


class LicenseFilter(ProcessParts):
    """Decide documents: rows of the plan in, receipts of documents/ and decisions/ out.

    `make_plan` of pipelines.license_filter.plan returns the rows. The command `license-filter`
    with the same output finds all parts done, and writes parts.parquet and the manifest.
    """

    def __init__(self, directory: str, corpus: Corpus, processes: int = 1) -> None:
        """Read the reference lists of `corpus`.

        Args:
            directory: license_filter/ of an output, as a path or URL.
            corpus: the corpus, with absolute paths.
            processes: worker processes for the rows of a bundle, as of `ProcessParts`.
        """
        super().__init__(make_step(directory, corpus, digest_lists(corpus)), processes)


def make_step(directory: str, corpus: Corpus, digests: ListDigests) -> FilterLicenses:
    """Return the step of a corpus; write the tables of repositories that its sources need."""
    repositories = {
        source.name: repository_licenses.make_table(directory, corpus.licensing(source))
        for source in corpus.source
        if source.license.repositories
    }
    packages = {
        source.name: table
        for source in corpus.source
        if (table := package_choices.make_table(directory, corpus.licensing(source)))
    }
    return FilterLicenses(directory, corpus, digests, repositories, packages)


def run(preparation: Preparation) -> Manifest:
    """Write the plan, decide all documents, and write the manifest.

    Raises:
        DataError: more inputs than `max_failed` allows cannot be read.
    """
    corpus = share_files(preparation.corpus, preparation.output)
    directory = preparation.license_filter
    digests = digest_lists(corpus)
    plan = make_plan(corpus, digests)
    table = files.join(preparation.output, PLAN_FILE)
    write_table(table, plan)
    rows = cast(list[PlanRow], plan.to_pylist())
    step = digest([STEP, FORMAT, sorted({(row["source"], row["step"]) for row in rows})])
    remove_stale_manifest(directory, step)
    job = Job(make_step(directory, corpus, digests), table, STEP)
    receipts = job.run(preparation.runner, preparation.retry_failed)
    failed = _failed_inputs(directory, rows)
    inputs = len({(row["source"], row["input"]) for row in rows})
    check_failures(failed, inputs, corpus.max_failed, directory)
    receipts = _of_whole_inputs(receipts, failed)
    funnel = merge_funnels(receipt.funnel for receipt in receipts)
    headers = sum_counts(receipts, "headers")
    manifest = Manifest(
        step=STEP,
        digest=step,
        config={key: preparation.declared[key] for key in CONFIG},
        totals=totals_of(funnel, len(receipts)),
        funnel=funnel,
        counts={"headers": headers} if headers else {},
        tables={PARTS_TABLE: _write_parts(directory, receipts)},
        failed=failed,
        extra={HELDOUT: rows[0]["heldout"], **digests.as_extra()},
    )
    return write_manifest(directory, manifest)


def _failed_inputs(directory: str, rows: list[PlanRow]) -> list[FailedInput]:
    """Return the inputs that could not be read, by the plan or by a worker."""
    failed: dict[tuple[str, str], FailedInput] = {}
    letters = dead_letters(directory)
    for row in rows:
        letter = letters.get(row["part"])
        if row["error"]:
            letter = FailedInput(source=row["source"], input=row["input"], error=row["error"])
        if letter:
            failed[row["source"], row["input"]] = letter
    return list(failed.values())


def _of_whole_inputs(receipts: list[Receipt], failed: list[FailedInput]) -> list[Receipt]:
    """Return the receipts without those of failed inputs, of which some parts may be done."""
    broken = {(letter.source, letter.input) for letter in failed}
    return [
        receipt
        for receipt in receipts
        if (receipt.extra["source"], receipt.extra["input"]) not in broken
    ]


def _write_parts(directory: str, receipts: list[Receipt]) -> str:
    """Write parts.parquet, which numbers the parts in plan order, and return its SHA-256."""
    rows: list[dict[str, Any]] = []
    for number, receipt in enumerate(receipts):
        kept = sum_funnel(receipt.funnel)
        rows.append(
            {
                "part": number,
                "name": receipt.name,
                "source": receipt.extra["source"],
                "input": receipt.extra["input"],
                "components": sorted(receipt.funnel.get(receipt.extra["source"], {})),
                "documents": kept.documents,
                "bytes": kept.bytes,
                "sha256": receipt.files[f"documents/{receipt.name}.parquet"].sha256,
            }
        )
    url = files.join(directory, PARTS_TABLE)
    write_table(url, pa.Table.from_pylist(rows, schema=PARTS))
    return files.sha256(url)
