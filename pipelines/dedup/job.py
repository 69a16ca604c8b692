"""The second job: documents/ -> signatures/ -> clusters -> duplicates/.

The shuffles move hashes and addresses, and no text. `MinHashDedup` is the same job as one Beam
transform.
"""

from filters.dedup.minhash import Profile, load_profile
from manifests.io import files
from manifests.io.digest import digest
from manifests.io.parquet import read_table
from manifests.lineage.manifest import Manifest, load_manifest
from manifests.lineage.parts_table import PARTS_TABLE, PREVIOUS_PARTS_TABLE
from manifests.lineage.receipts import merge_funnels, sum_counts
from manifests.schemas import FORMAT
from pipelines.corpus.dedup_table import Dedup
from pipelines.corpus.shared_files import share_files
from pipelines.dedup.clusters import find_clusters
from pipelines.dedup.deduplication import Deduplication, Limits
from pipelines.dedup.duplicates import DUPLICATES_STEP, ListDuplicates
from pipelines.dedup.loss_limit import check_losses
from pipelines.dedup.parts import SIGNATURES, write_tables
from pipelines.dedup.previous_corpora import previous_digests
from pipelines.dedup.removed_documents import ReadRemoved
from pipelines.dedup.signatures import ComputeSignatures
from pipelines.preparation import (
    Preparation,
    parent_record,
    remove_stale_manifest,
    totals_of,
    write_manifest,
)
from pipelines.runtime.job import Job


def run(preparation: Preparation, limits: Limits | None = None) -> Manifest:
    """Find the near-duplicates of a finished license_filter, and write the manifest.

    Args:
        preparation: the corpus, its output directory and the engine.
        limits: sizes that bound memory.

    Raises:
        UsageError: a previous corpus holds no finished dedup.
        DataError: license_filter has no manifest, a previous corpus has another profile or scope,
            or a rule removes too much of a source.
    """
    config = share_files(preparation.corpus, preparation.output).dedup
    directory = preparation.dedup
    runner = preparation.runner.threaded()
    load_manifest(preparation.license_filter)
    profile = load_profile(config.profile)
    rows = read_table(files.join(preparation.license_filter, PARTS_TABLE)).to_pylist()
    table = write_tables(directory, rows, config)
    priorities = {source.name: source.priority for source in preparation.corpus.source}
    step = _step_digest(config, profile, priorities, files.sha256(table))
    remove_stale_manifest(directory, step)
    documents = files.join(preparation.license_filter, "documents")
    dedup = Deduplication(directory, documents, config, priorities, step, limits or Limits())
    Job(ComputeSignatures(dedup), table, SIGNATURES).run(runner)
    clusters = find_clusters(dedup, runner)
    removed = ReadRemoved(dedup, table)
    receipts = Job(ListDuplicates(dedup), table, DUPLICATES_STEP, removed).run(runner)
    check_losses(receipts, config.max_removed, directory)
    funnel = merge_funnels(receipt.funnel for receipt in receipts)
    tables = [PARTS_TABLE, *([PREVIOUS_PARTS_TABLE] if config.previous_corpora else [])]
    manifest = Manifest(
        step="dedup",
        digest=step,
        config={"dedup": preparation.declared["dedup"]},
        parent=parent_record(preparation.license_filter, "license_filter"),
        totals=totals_of(funnel, len(receipts)),
        funnel=funnel,
        counts={**clusters.counts, "lost_to": sum_counts(receipts, "lost_to")},
        tables={
            **{name: files.sha256(files.join(directory, name)) for name in tables},
            **{path: record.sha256 for path, record in clusters.files.items()},
        },
        extra={"profile": profile.model_dump(mode="json"), "profile_digest": profile.digest},
    )
    return write_manifest(directory, manifest)


def _step_digest(
    config: Dedup, profile: Profile, priorities: dict[str, int], parts_digest: str
) -> str:
    """Return the step digest. It excludes `max_removed`, which does not change the result."""
    declared = config.model_dump(exclude={"profile", "previous_corpora", "max_removed"})
    previous = previous_digests(config.previous_corpora)
    return digest(["dedup", FORMAT, profile.digest, declared, previous, priorities, parts_digest])
