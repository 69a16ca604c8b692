"""signatures/: hashes and rank fields of each document, written once for each part and profile."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from filters import document_ids
from filters.dedup import minhash
from filters.dedup.survivor_rank import ALLOWED, UNKNOWN
from manifests.io import files
from manifests.io.digest import short_digest
from manifests.io.parquet import open_parquet
from manifests.lineage.receipts import write_receipt
from pipelines.dedup.deduplication import Deduplication
from pipelines.dedup.parts import SIGNATURES, DocumentsPart, signature_name, signature_path
from pipelines.runtime.step import Step

READ = ["id", "source", "component", "license_layer", "stars", "heldout", "text"]
"""Columns of documents/ that signatures are made of."""

LAYER_RANK = {"header": ALLOWED, "repository": ALLOWED, "source": UNKNOWN}
"""License layer -> rank of a document among its duplicates."""

_serial = threading.Lock()
"""Held by the worker thread that signs a large row group."""


def schema(profile: minhash.Profile) -> pa.Schema:
    """Return the columns of signatures/: one row for each document, in the order of documents/."""
    bands = [pa.field(band_column(band), pa.uint64(), False) for band in range(profile.banding[0])]
    return pa.schema(
        [
            pa.field("id", pa.binary(16), nullable=False),
            pa.field("scope", pa.uint64(), nullable=False),  # only equal scopes are compared
            pa.field("verdict", pa.uint8(), nullable=False),  # on the license
            pa.field("heldout", pa.bool_(), nullable=False),
            pa.field("stars", pa.int64(), nullable=False),  # 0 when unknown
            pa.field("exact", pa.binary(16), nullable=False),  # hash of the text
            pa.field("normalized", pa.binary(16), nullable=False),  # hash of the normalized text
            pa.field("has_signature", pa.bool_(), nullable=False),  # false: too short
            pa.field("sketch", pa.binary(8 * profile.sketch_words), nullable=False),
            *bands,  # one column each: clusters are found some bands at a time
        ]
    )


def band_column(band: int) -> str:
    """Return the name of the column with the hashes of a band."""
    return f"band_{band:02}"


class ComputeSignatures(Step[DocumentsPart]):
    """Step that writes signatures/ and a receipt for each part of documents/."""

    def __init__(self, dedup: Deduplication) -> None:
        """Sign the documents of `dedup`."""
        self.dedup, self.directory = dedup, dedup.directory

    def receipts(self, row: DocumentsPart) -> Iterator[str]:
        """Yield the name of the only receipt."""
        yield signature_name(row, self.dedup.profile, self.dedup.config.scope)

    def work(self, row: DocumentsPart) -> None:
        """Read a part, one row group at a time, and write its signatures."""
        profile = self.dedup.profile
        name = next(self.receipts(row))
        path = signature_path(name)
        source = files.join(self.dedup.documents, f"{row['name']}.parquet")
        columns = schema(profile)
        with (
            open_parquet(source) as documents,
            files.replacing(self.dedup.url(path)) as output,
            # Hashes become no smaller by a dictionary or by compression.
            pq.ParquetWriter(output, columns, compression="none", use_dictionary=False) as writer,
        ):
            for group in range(documents.row_groups):
                size = documents.metadata.row_group(group).total_byte_size
                with _serial_if(size > self.dedup.limits.serial_row_group):
                    texts = documents.read_row_group(group, columns=READ)
                    signed = sign(texts, profile, self.dedup.config.scope)
                    del texts
                writer.write_table(signed.cast(columns), row_group_size=max(1, signed.num_rows))
        # The receipt holds for every deduplication of this profile and scope.
        write_receipt(
            self.directory,
            [path],
            name=name,
            step=SIGNATURES,
            digest=profile.digest,
            counts={"documents": row["documents"]},
        )


@contextmanager
def _serial_if(large: bool) -> Iterator[None]:
    """Let only one thread at a time into the block if the row group is large."""
    if not large:
        yield
        return
    with _serial:
        yield
        pa.default_memory_pool().release_unused()


def sign(documents: pa.Table, profile: minhash.Profile, scope: str) -> pa.Table:
    """Return the signatures of a batch of documents."""
    texts = documents["text"].combine_chunks()
    bands, has_signature, sketches = minhash.signatures(texts, profile)
    layers = documents["license_layer"].to_pylist()
    return pa.table(
        {
            "id": documents["id"],
            "scope": pa.array(_scopes(documents, scope), pa.uint64()),
            "verdict": pa.array([LAYER_RANK[layer] for layer in layers], pa.uint8()),
            "heldout": documents["heldout"],
            "stars": pc.fill_null(documents["stars"], 0),
            "exact": document_ids.text_hashes(texts),
            "normalized": document_ids.normalized_hashes(texts),
            "has_signature": pa.array(has_signature),
            "sketch": document_ids.as_binary(sketches),
            **{band_column(band): hashes for band, hashes in enumerate(bands.T)},
        }
    )


def _scopes(documents: pa.Table, scope: str) -> list[int]:
    """Return a number for the source or component of each document; 0 for the scope "all"."""
    if scope == "all":
        return [0] * documents.num_rows
    names = documents[scope].to_pylist()
    numbers = {name: int(short_digest([scope, name])[:16], 16) for name in set(names)}
    return [numbers[name] for name in names]
