"""The third job: documents without their duplicates -> a dataset of token shards."""

from collections import Counter
from typing import Any

import pyarrow.parquet as pq

from filters import redaction
from manifests.catalog.describe import describe
from manifests.dataset.writer import DatasetSummary, ShardRecord, finish_dataset
from manifests.errors import DataError
from manifests.io import files
from manifests.io.digest import digest
from manifests.lineage.manifest import FILE as MANIFEST
from manifests.lineage.manifest import Manifest, Parent, TokenizerRecord, load_manifest
from manifests.lineage.parts_table import PARTS_TABLE
from manifests.lineage.receipts import Receipt, load_receipt, merge_funnels
from manifests.mixture.columns import SOURCES
from manifests.schemas import FORMAT
from manifests.tokenizer.tokenizer import describe_tokenizer
from pipelines.dedup.duplicates import receipt_name
from pipelines.preparation import Preparation, begin, finish, parent_of, rejections, totals_of
from pipelines.runtime.job import Job
from pipelines.runtime.table import read_rows
from pipelines.tokenize.kept_documents import Surviving
from pipelines.tokenize.step import STEP, Tokenize, make_groups
from pipelines.tokenize.tokenizer import FILE as TOKENIZER
from pipelines.tokenize.tokenizer import make_tokenizer

GROUPS_FILE = "groups.parquet"


def run(preparation: Preparation) -> Manifest:
    """Make the tokenizer and the shards of a finished dedup, and write the manifest.

    Raises:
        DataError: dedup has not ended, or everything was rejected before.
    """
    inputs = what_stays(preparation)
    directory = preparation.tokenize
    redacted = redacted_sources(preparation)
    made = make_tokenizer(directory, preparation.corpus.tokenize, inputs, redacted)
    tokenizer = describe_tokenizer(files.join(directory, TOKENIZER))
    step = digest([STEP, FORMAT, made.files[TOKENIZER].sha256, redaction.VERSION, sorted(redacted)])
    groups = files.join(directory, GROUPS_FILE)
    with files.replacing(groups) as output:
        pq.write_table(make_groups(inputs, step), output)
    job_digest = digest([step, inputs.identity])
    begin(directory, job_digest)
    step_of_part = Tokenize(
        directory, inputs.documents, inputs.duplicates, tokenizer.dtype, step, redacted
    )
    receipts = Job(step_of_part, groups, STEP).run(preparation.runner)
    summary = finish_dataset(
        directory, (ShardRecord.model_validate(receipt.extra["shard"]) for receipt in receipts)
    )
    tables = {
        **summary.tables,
        TOKENIZER: made.files[TOKENIZER].sha256,
        GROUPS_FILE: files.sha256(groups),
    }
    is_new = not files.exists(files.join(directory, MANIFEST))
    manifest = _manifest(preparation, job_digest, receipts, summary, tokenizer, tables)
    finish(directory, manifest)
    describe(directory, manifest, summary.licenses, overwrite=is_new)
    return manifest


def redacted_sources(preparation: Preparation) -> tuple[str, ...]:
    """Return the names of the sources whose personal data is replaced before encoding."""
    return tuple(source.name for source in preparation.corpus.source if source.redacts)


def what_stays(preparation: Preparation) -> Surviving:
    """Return what the dedup of a corpus leaves.

    Raises:
        DataError: dedup has not ended, or everything was rejected before.
    """
    parent = load_manifest(preparation.dedup)
    if not parent.totals.documents:
        raise DataError(f"{preparation.dedup}: nothing is left to tokenize: {_why(preparation)}")
    parts = read_rows(files.join(preparation.dedup, PARTS_TABLE))
    listed = [_duplicates_of(preparation, parent, part) for part in parts]
    return Surviving(
        documents=files.join(preparation.license_filter, "documents"),
        duplicates=files.join(preparation.dedup, "duplicates"),
        parts=parts,
        kept=[receipt.extra["kept"] for receipt in listed],
        identity=[
            [part["sha256"], receipt.files[f"duplicates/{part['name']}.parquet"].sha256]
            for part, receipt in zip(parts, listed, strict=True)
        ],
        bytes=parent.totals.bytes,
    )


def _why(preparation: Preparation) -> str:
    counts = rejections(load_manifest(preparation.license_filter).funnel)
    told = ", ".join(f"{rule} took {count:,}" for rule, count in counts.items())
    return f"no document was kept ({told or 'the inputs are empty'})"


def _manifest(
    preparation: Preparation,
    job_digest: str,
    receipts: list[Receipt],
    summary: DatasetSummary,
    tokenizer: TokenizerRecord,
    tables: dict[str, str],
) -> Manifest:
    funnel = merge_funnels(receipt.funnel for receipt in receipts)
    return Manifest(
        step="tokenize",
        digest=job_digest,
        config={"tokenize": preparation.declared["tokenize"]},
        parent=Parent.model_validate(parent_of(preparation.dedup, "dedup")),
        totals=totals_of(funnel, len(receipts), **summary.sizes),
        funnel=funnel,
        counts={"redacted": _redacted(receipts)},
        tables=tables,
        tokenizer=tokenizer,
        components=summary.components,
        heldout_components=summary.heldout_components,
        extra={SOURCES: _sources(preparation)},
    )


def _sources(preparation: Preparation) -> dict[str, dict[str, Any]]:
    """What a mixture chooses components by, source by source."""
    return {
        source.name: {"kind": source.kind, "partition_by": source.partition_by}
        for source in preparation.corpus.source
    }


def _redacted(receipts: list[Receipt]) -> dict[str, int]:
    """Add up what was replaced in texts, by kind."""
    total: Counter[str] = Counter()
    for receipt in receipts:
        counted = receipt.counts.get("redacted", {})
        assert isinstance(counted, dict)
        total.update(counted)
    return dict(sorted(total.items()))


def _duplicates_of(preparation: Preparation, parent: Manifest, part: dict[str, Any]) -> Receipt:
    name = receipt_name(part["name"], parent.digest)
    receipt = load_receipt(preparation.dedup, name)
    if receipt is None:
        raise DataError(f"{files.join(preparation.dedup, MANIFEST)}: the receipt {name} is missing")
    return receipt
