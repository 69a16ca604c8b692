"""The second job: documents/ -> signatures/ -> clusters -> duplicates/.

Only hashes and addresses are shuffled, never a text.
"""

from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq

from filters.dedup.minhash import Profile, load_profile
from manifests.io import files
from manifests.io.digest import digest
from manifests.lineage.manifest import Manifest, Parent, load_manifest
from manifests.lineage.receipts import Receipt, merge_funnels
from manifests.schemas import FORMAT
from manifests.verify.parts import PREVIOUS_PARTS_TABLE
from pipelines.corpus.dedup_table import Dedup
from pipelines.dedup.clusters import Clusters
from pipelines.dedup.duplicates import ListDuplicates
from pipelines.dedup.exact_jaccard import CompareExactly
from pipelines.dedup.exact_threshold import Settle
from pipelines.dedup.loss_limit import check_losses
from pipelines.dedup.previous_corpora import Parts, previous_digests, write_previous_parts
from pipelines.dedup.rank_clusters import EXACT, Verification
from pipelines.dedup.signatures import Sign, signature_name
from pipelines.license_filter.job import PARTS_FILE
from pipelines.preparation import Preparation, begin, finish, parent_of, totals_of
from pipelines.runtime.job import Job
from pipelines.runtime.table import read_rows

TABLE = pa.schema(
    [
        pa.field("part", pa.uint32(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("documents", pa.int64(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),  # of documents/NAME.parquet
        pa.field("signature", pa.string(), nullable=False),
    ]
)
"""Columns of dedup/parts.parquet: the parts of documents/, and where their signatures lie."""


def run(preparation: Preparation) -> Manifest:
    """Find the near-duplicates of a finished license_filter, and write the manifest.

    Raises:
        UsageError: a previous corpus holds no finished dedup.
        DataError: license_filter has no manifest, a previous corpus has another profile or scope,
            or a rule removes too much of a source.
    """
    corpus, directory = preparation.corpus, preparation.dedup
    runner = preparation.runner.threaded()
    load_manifest(preparation.license_filter)
    profile = load_profile(corpus.dedup.profile)
    table = _write_table(preparation, profile)
    previous = tuple(corpus.dedup.previous_corpora)
    write_previous_parts(directory, previous, profile, corpus.dedup.scope)
    priorities = {source.name: source.priority for source in corpus.source}
    step = _step(corpus.dedup, profile, priorities, files.sha256(table))
    begin(directory, step)
    documents = files.join(preparation.license_filter, "documents")
    signing = Sign(directory, documents, corpus.dedup.profile, corpus.dedup.scope)
    Job(signing, table, "signatures").run(runner)
    parts = Parts(directory, previous)
    verification = Verification(corpus.dedup.profile, corpus.dedup.verify, corpus.dedup.large)
    found = Clusters(parts, step, priorities, verification).run(runner)
    if corpus.dedup.verify == EXACT:
        paths = sorted(found.files)
        comparison = CompareExactly(directory, documents, table, paths, corpus.dedup.profile, step)
        settling = Settle(directory, comparison.run(runner), profile.threshold, step)
        found = settling.run(runner, found)
    listing = ListDuplicates(directory, parts, documents, sorted(found.files), step)
    receipts = Job(listing, table, "duplicates").run(runner)
    check_losses(receipts, corpus.dedup.max_removed, directory)
    return finish(directory, _manifest(preparation, profile, step, found, receipts))


def _step(dedup: Dedup, profile: Profile, priorities: dict[str, int], table: str) -> str:
    """Return the step digest; what only stops a job is no part of it."""
    declared = dedup.model_dump(exclude={"profile", "previous_corpora", "max_removed"})
    previous = previous_digests(tuple(dedup.previous_corpora))
    return digest(["dedup", FORMAT, profile.digest, declared, previous, priorities, table])


def _write_table(preparation: Preparation, profile: Profile) -> str:
    parts = read_rows(files.join(preparation.license_filter, PARTS_FILE))
    scope = preparation.corpus.dedup.scope
    rows = [{**row, "signature": signature_name(row, profile, scope)} for row in parts]
    url = files.join(preparation.dedup, PARTS_FILE)
    with files.replacing(url) as output:
        pq.write_table(pa.Table.from_pylist(rows, schema=TABLE), output)
    return url


def _manifest(
    preparation: Preparation, profile: Profile, step: str, found: Receipt, receipts: list[Receipt]
) -> Manifest:
    funnel = merge_funnels(receipt.funnel for receipt in receipts)
    return Manifest(
        step="dedup",
        digest=step,
        config={"dedup": preparation.declared["dedup"]},
        parent=Parent.model_validate(parent_of(preparation.license_filter, "license_filter")),
        totals=totals_of(funnel, len(receipts)),
        funnel=funnel,
        counts={**found.counts, "lost_to": _lost_to(receipts)},
        tables={
            **{name: files.sha256(url) for name, url in _tables(preparation).items()},
            **{path: record.sha256 for path, record in found.files.items()},
        },
        extra={"profile": profile.model_dump(mode="json"), "profile_digest": profile.digest},
    )


def _tables(preparation: Preparation) -> dict[str, str]:
    names = [
        PARTS_FILE,
        *([PREVIOUS_PARTS_TABLE] if preparation.corpus.dedup.previous_corpora else []),
    ]
    return {name: files.join(preparation.dedup, name) for name in names}


def _lost_to(receipts: list[Receipt]) -> dict[str, int]:
    """Return `source -> source of the copy that stays`, and how many documents went so."""
    total: Counter[str] = Counter()
    for receipt in receipts:
        lost = receipt.counts["lost_to"]
        assert isinstance(lost, dict)
        total.update(lost)
    return dict(sorted(total.items()))
