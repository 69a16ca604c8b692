"""The third job: documents without their duplicates become a dataset of token shards."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import apache_beam as beam

from filters import redaction
from manifests.catalog.describe import describe
from manifests.dataset.writer import ShardRecord, finish_dataset
from manifests.errors import DataError
from manifests.io import files
from manifests.io.digest import digest
from manifests.io.parquet import write_table
from manifests.lineage.manifest import FILE as MANIFEST
from manifests.lineage.manifest import Manifest, load_manifest
from manifests.lineage.parts_table import DedupPart, read_parts
from manifests.lineage.receipts import load_receipt, merge_funnels, sum_counts
from manifests.mixture.columns import SOURCES
from manifests.schemas import FORMAT
from manifests.tokenizer.tokenizer import describe_tokenizer
from pipelines.corpus.source_table import TagMode
from pipelines.dedup.duplicates import receipt_name
from pipelines.preparation import (
    Preparation,
    parent_record,
    rejections,
    remove_stale_manifest,
    totals_of,
    write_manifest,
)
from pipelines.runtime.job import Job, ProcessParts
from pipelines.tokenize.kept_documents import KeptDocuments, KeptPart, KeptTables
from pipelines.tokenize.step import STEP, WriteShards, make_groups
from pipelines.tokenize.tags import resolve_mode, tag_ids
from pipelines.tokenize.tokenizer import FILE as TOKENIZER
from pipelines.tokenize.tokenizer import make_tokenizer

GROUPS_FILE = "groups.parquet"


class Tokenize(beam.PTransform):
    """Encode documents to shards: rows of groups.parquet in, receipts of shards out."""

    def __init__(self, shards: WriteShards) -> None:
        """Write `shards`, below a directory that holds tokenizer.json."""
        super().__init__()
        self.shards = shards

    def expand(self, rows: beam.PCollection) -> beam.PCollection:
        """Return the receipts."""
        return rows | "Shards" >> ProcessParts(self.shards)


def run(preparation: Preparation) -> Manifest:
    """Make the tokenizer and the shards of a finished dedup, and write the manifest.

    Raises:
        DataError: dedup has not ended, or no document is kept.
    """
    kept = find_kept_documents(preparation)
    directory = preparation.tokenize
    redacted = redacted_sources(preparation)
    receipt = make_tokenizer(directory, preparation.corpus.tokenize, kept, redacted)
    tokenizer_sha256 = receipt.files[TOKENIZER].sha256
    tokenizer = describe_tokenizer(files.join(directory, TOKENIZER))
    tags = tag_modes(preparation)
    step = digest([STEP, FORMAT, tokenizer_sha256, redaction.VERSION, sorted(redacted), tags])
    groups = files.join(directory, GROUPS_FILE)
    write_table(groups, make_groups(kept, step))
    job_digest = digest([step, [part.identity for part in kept.parts]])
    remove_stale_manifest(directory, job_digest)
    shards = WriteShards(directory, kept.tables, tokenizer.dtype, step, redacted, tags)
    receipts = Job(shards, groups, STEP).run(preparation.runner)
    summary = finish_dataset(
        directory, (ShardRecord.model_validate(receipt.extra["shard"]) for receipt in receipts)
    )
    funnel = merge_funnels(receipt.funnel for receipt in receipts)
    manifest = Manifest(
        step="tokenize",
        digest=job_digest,
        config={"tokenize": preparation.declared["tokenize"]},
        parent=parent_record(preparation.dedup, "dedup"),
        totals=totals_of(funnel, len(receipts), **summary.sizes),
        funnel=funnel,
        counts={name: sum_counts(receipts, name) for name in ("redacted", "tags")},
        tables=summary.tables | {TOKENIZER: tokenizer_sha256, GROUPS_FILE: files.sha256(groups)},
        tokenizer=tokenizer,
        components=summary.components,
        heldout_components=summary.heldout_components,
        extra={SOURCES: _sources(preparation)},
    )
    is_new = not files.exists(files.join(directory, MANIFEST))
    write_manifest(directory, manifest)
    describe(directory, manifest, summary.licenses, overwrite=is_new)
    return manifest


def redacted_sources(preparation: Preparation) -> tuple[str, ...]:
    """Return the names of the sources whose personal data is replaced before encoding."""
    return tuple(source.name for source in preparation.corpus.source if source.redacts)


def tag_modes(preparation: Preparation) -> dict[str, TagMode]:
    """Return what becomes of the tags of each source that has tags.

    Raises:
        UsageError: tags are to be converted, and the vocabulary has none.
    """
    ids = tag_ids(files.join(preparation.tokenize, TOKENIZER))
    return {
        source.name: resolve_mode(source.tags, ids, source.name)
        for source in preparation.corpus.source
        if source.layout.has_tags
    }


def find_kept_documents(preparation: Preparation) -> KeptDocuments:
    """Return the documents that the dedup of a corpus keeps.

    Raises:
        DataError: dedup has not ended, or no document is kept.
    """
    parent = load_manifest(preparation.dedup)
    if not parent.totals.documents:
        raise DataError(f"{preparation.dedup}: nothing is left to tokenize: {_why(preparation)}")
    rows = read_parts(preparation.dedup, DedupPart)
    documents = files.join(preparation.license_filter, "documents")
    duplicates = files.join(preparation.dedup, "duplicates")
    with ThreadPoolExecutor(files.REQUESTS) as pool:
        parts = list(pool.map(partial(_kept_part, preparation, parent), rows))
    return KeptDocuments(KeptTables(documents, duplicates), parts, parent.totals.bytes)


def _kept_part(preparation: Preparation, parent: Manifest, row: DedupPart) -> KeptPart:
    """Return a part of documents/ with the counts of its receipt of dedup."""
    name = receipt_name(row.name, parent.digest)
    receipt = load_receipt(preparation.dedup, name)
    if receipt is None:
        raise DataError(f"{files.join(preparation.dedup, MANIFEST)}: the receipt {name} is missing")
    duplicates = receipt.files[f"duplicates/{row.name}.parquet"]
    return KeptPart(
        name=row.name,
        source=row.source,
        counts=receipt.extra["kept"],
        identity=[row.sha256, duplicates.sha256],
    )


def _why(preparation: Preparation) -> str:
    """Return a sentence that says how many documents each rule rejected."""
    counts = rejections(load_manifest(preparation.license_filter).funnel)
    rules = ", ".join(f"{rule} rejected {count:,}" for rule, count in counts.items())
    return f"no document was kept ({rules or 'the inputs are empty'})"


def _sources(preparation: Preparation) -> dict[str, dict[str, Any]]:
    """Return the columns by which a mixture selects components, source by source."""
    return {
        source.name: {"kind": source.kind, "partition_by": source.partition_by}
        for source in preparation.corpus.source
    }
