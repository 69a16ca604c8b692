"""The first job: raw files -> documents/ and decisions/, a part at a time."""

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.io import files
from manifests.io.digest import digest
from manifests.lineage.manifest import FailedInput, Manifest
from manifests.lineage.parts_table import PARTS_TABLE
from manifests.lineage.receipts import Receipt, merge_funnels
from manifests.schemas import FORMAT, PARTS, PLAN_FILE
from pipelines.corpus.corpus import Corpus
from pipelines.license_filter.plan import make_plan
from pipelines.license_filter.reference_lists import Held, look
from pipelines.license_filter.repository_licenses import make_table
from pipelines.license_filter.step import STEP, FilterLicenses
from pipelines.preparation import Preparation, remove_stale_manifest, totals_of, write_manifest
from pipelines.runtime.job import Job
from pipelines.runtime.step import check_failures, dead_letter

CONFIG = ("source", "filters", "decontaminate", "opt_out", "max_failed")
"""The tables and keys of CORPUS.toml that the manifest records."""


def write_plan(preparation: Preparation, lists: Held | None = None) -> pa.Table:
    """Write plan.parquet, and return it; the reference lists are read if `lists` is not given."""
    table = make_plan(preparation.corpus, lists or look(preparation.corpus))
    with files.replacing(files.join(preparation.output, PLAN_FILE)) as output:
        pq.write_table(table, output)
    return table


def run(preparation: Preparation) -> Manifest:
    """Plan, decide every document, and write the manifest.

    Raises:
        DataError: more inputs than `max_failed` allows cannot be read.
    """
    corpus, lists = preparation.corpus, look(preparation.corpus)
    rows = write_plan(preparation, lists).to_pylist()
    directory = preparation.license_filter
    step = digest([STEP, FORMAT, sorted({(row["source"], row["step"]) for row in rows})])
    remove_stale_manifest(directory, step)
    job = Job(
        FilterLicenses(directory, corpus, lists, _tables(directory, corpus)),
        files.join(preparation.output, PLAN_FILE),
        STEP,
    )
    receipts = job.run(preparation.runner, preparation.retry_failed)
    failed = _failed(directory, rows)
    inputs = len({(row["source"], row["input"]) for row in rows if not row["refused"]})
    check_failures(failed, inputs, corpus.max_failed, directory)
    receipts = _of_whole_inputs(receipts, failed)
    parts = _write_parts(directory, receipts)
    refused = {f"{row['source']}: {row['error']}" for row in rows if row["refused"]}
    extra: dict[str, Any] = {"refused": sorted(refused), **lists.recorded()}
    manifest = _manifest(preparation, step, receipts, failed, parts, extra)
    return write_manifest(directory, manifest)


def _tables(directory: str, corpus: Corpus) -> dict[str, str]:
    """Make the tables of licenses by repository that sources ask for; return where they lie."""
    asked = {source.name: source.license.repositories for source in corpus.source}
    return {
        source: make_table(directory, corpus.named(name)) for source, name in asked.items() if name
    }


def _failed(directory: str, rows: list[dict[str, object]]) -> list[FailedInput]:
    """The inputs that could not be read, when the plan was made or later."""
    found: dict[tuple[object, object], FailedInput] = {}
    for row in rows:
        letter = dead_letter(directory, str(row["part"]))
        if row["error"] and not row["refused"]:
            letter = FailedInput(
                source=str(row["source"]), input=str(row["input"]), error=str(row["error"])
            )
        if letter:
            found[row["source"], row["input"]] = letter
    return list(found.values())


def _of_whole_inputs(receipts: list[Receipt], failed: list[FailedInput]) -> list[Receipt]:
    """An input counts as a whole or not at all: parts read before it broke off are left out."""
    broken = {(letter.source, letter.input) for letter in failed}
    return [
        receipt
        for receipt in receipts
        if (receipt.extra["source"], receipt.extra["input"]) not in broken
    ]


def _write_parts(directory: str, receipts: list[Receipt]) -> str:
    """Number the parts, in the plan's order, and return the digest of parts.parquet."""
    rows = [
        {
            "part": number,
            "name": receipt.name,
            "source": receipt.extra["source"],
            "input": receipt.extra["input"],
            "components": sorted(receipt.funnel.get(receipt.extra["source"], {})),
            "documents": sum(c.documents for f in receipt.funnel.values() for c in f.values()),
            "bytes": sum(c.bytes for f in receipt.funnel.values() for c in f.values()),
            "sha256": receipt.files[f"documents/{receipt.name}.parquet"].sha256,
        }
        for number, receipt in enumerate(receipts)
    ]
    url = files.join(directory, PARTS_TABLE)
    with files.replacing(url) as output:
        pq.write_table(pa.Table.from_pylist(rows, schema=PARTS), output)
    return files.sha256(url)


def _manifest(
    preparation: Preparation,
    step: str,
    receipts: list[Receipt],
    failed: list[FailedInput],
    parts: str,
    extra: dict[str, Any],
) -> Manifest:
    funnel = merge_funnels(receipt.funnel for receipt in receipts)
    return Manifest(
        step="license_filter",
        digest=step,
        config={key: preparation.declared[key] for key in CONFIG},
        totals=totals_of(funnel, len(receipts)),
        funnel=funnel,
        counts=_sum_counts(receipts),
        tables={PARTS_TABLE: parts},
        failed=failed,
        extra=extra,
    )


def _sum_counts(receipts: list[Receipt]) -> dict[str, int | dict[str, int]]:
    """Add up what parts counted of their headers; nothing where no header was read."""
    read: Counter[str] = Counter()
    for receipt in receipts:
        counted = receipt.counts.get("headers", {})
        assert isinstance(counted, dict)
        read.update(counted)
    return {"headers": dict(sorted(read.items()))} if read else {}
