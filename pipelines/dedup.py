"""The second job: documents/ -> signatures/ -> clusters -> duplicates/.

Only hashes and addresses are shuffled, never a text.
"""

import pyarrow as pa
import pyarrow.parquet as pq

from filters.minhash import Profile, load_profile
from manifests import files
from manifests.canonical import digest, short_digest
from manifests.manifest import Manifest, Parent, Totals, load_manifest
from manifests.receipts import Receipt, merge_funnels
from manifests.schemas import FORMAT
from pipelines.clusters import STEP as CLUSTERS
from pipelines.clusters import Clusters
from pipelines.duplicates import ListDuplicates
from pipelines.job import Job
from pipelines.license_filter import PARTS_FILE
from pipelines.plan import read_rows
from pipelines.preparation import Preparation, begin, finish, parent_of, sum_funnel
from pipelines.signatures import Sign, signature_name

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
        BadData: license_filter has no manifest.
    """
    corpus = preparation.corpus
    load_manifest(preparation.license_filter)
    profile = load_profile(corpus.dedup.profile)
    table = _write_table(preparation, profile)
    priorities = {source.name: source.priority for source in corpus.source}
    step = digest(
        ["dedup", FORMAT, profile.digest, corpus.dedup.scope, priorities, files.sha256(table)]
    )
    begin(preparation.dedup, step)
    documents = files.join(preparation.license_filter, "documents")
    signing = Sign(preparation.dedup, documents, corpus.dedup.profile, corpus.dedup.scope)
    Job(signing, table, "signatures").run(preparation.runner)
    clusters = Clusters(preparation.dedup, table, short_digest([CLUSTERS, step]), step, priorities)
    found = clusters.run(preparation.runner)
    listing = ListDuplicates(preparation.dedup, documents, table, clusters.path, step)
    receipts = Job(listing, table, "duplicates").run(preparation.runner)
    return finish(preparation.dedup, _manifest(preparation, profile, step, found, receipts))


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
    totals = sum_funnel(funnel)
    return Manifest(
        step="dedup",
        digest=step,
        config={"dedup": preparation.declared["dedup"]},
        parent=Parent.model_validate(parent_of(preparation.license_filter, "license_filter")),
        totals=Totals(
            parts=len(receipts),
            documents_in=totals.documents_in,
            bytes_in=totals.bytes_in,
            documents=totals.documents,
            bytes=totals.bytes,
        ),
        funnel=funnel,
        counts=found.counts,
        tables={
            PARTS_FILE: files.sha256(files.join(preparation.dedup, PARTS_FILE)),
            **{path: record.sha256 for path, record in found.files.items()},
        },
        extra={"profile": profile.model_dump(mode="json"), "profile_digest": profile.digest},
    )
