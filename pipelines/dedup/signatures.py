"""signatures/: what decides about each document, made once for each part and profile."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from filters import document_ids
from filters.dedup import minhash
from manifests.io import files
from manifests.io.digest import short_digest
from manifests.io.parquet import open_parquet
from manifests.lineage.receipts import Receipt, file_record, save_receipt
from manifests.schemas import FORMAT
from pipelines.license_filter.decisions import VERDICT

STEP = "signatures"

ALL = "all"

READ = ["id", "source", "component", "license_layer", "stars", "heldout", "text"]
"""Columns of documents/ that decide."""

LARGE = 1 << 26
"""Bytes of a row group above which workers that are threads take turns: it holds a document of
tens of megabytes, and is held two to three times while it is signed."""

_turn = threading.Lock()


def schema(profile: minhash.Profile) -> pa.Schema:
    """Return the columns of signatures/: one row a document, in the order of documents/."""
    bands = [pa.field(band_column(band), pa.uint64(), False) for band in range(profile.banding[0])]
    return pa.schema(
        [
            pa.field("id", pa.binary(16), nullable=False),
            pa.field("scope", pa.uint64(), nullable=False),  # copies are looked for within it
            pa.field("verdict", pa.uint8(), nullable=False),  # on its license
            pa.field("heldout", pa.bool_(), nullable=False),
            pa.field("stars", pa.int64(), nullable=False),  # 0 when unknown
            pa.field("exact", pa.binary(16), nullable=False),
            pa.field("normalized", pa.binary(16), nullable=False),
            pa.field("has_signature", pa.bool_(), nullable=False),  # false: too short for one
            pa.field("sketch", pa.binary(8 * profile.sketch_words), nullable=False),
            *bands,  # a column each: clusters are found some bands at a time
        ]
    )


def band_column(band: int) -> str:
    """Return the name of the column of a band's hashes."""
    return f"band_{band:02}"


def signature_name(row: dict[str, Any], profile: minhash.Profile, scope: str) -> str:
    """Return the name of a part's signatures: of its documents, the profile and the scope."""
    return short_digest([STEP, FORMAT, row["name"], row["sha256"], profile.digest, scope])


def signature_path(name: str) -> str:
    """Return where signatures lie, relative to dedup/."""
    return f"signatures/{name}.parquet"


@dataclass
class Sign:
    """Makes signatures/ and a receipt of each part of documents/."""

    directory: str
    """dedup/."""
    documents: str
    """license_filter/documents/."""
    profile: str
    scope: str

    def setup(self) -> None:
        """Load the profile's permutations."""
        minhash.load_profile(self.profile)

    def receipts(self, row: dict[str, Any]) -> Iterator[str]:
        """Yield the one name."""
        yield signature_name(row, minhash.load_profile(self.profile), self.scope)

    def work(self, row: dict[str, Any]) -> Iterator[Receipt]:
        """Read a part a row group at a time and write its signatures."""
        profile = minhash.load_profile(self.profile)
        name = signature_name(row, profile, self.scope)
        path = signature_path(name)
        source = files.join(self.documents, f"{row['name']}.parquet")
        columns = schema(profile)
        with (
            open_parquet(source) as documents,
            files.replacing(files.join(self.directory, path)) as output,
            # Nothing here but hashes, which no dictionary and no compression make smaller.
            pq.ParquetWriter(output, columns, compression="none", use_dictionary=False) as writer,
        ):
            for group in range(documents.row_groups):
                with _in_turn(documents.metadata.row_group(group).total_byte_size):
                    texts = documents.read_row_group(group, columns=READ)
                    signed = sign(texts, profile, self.scope)
                    del texts
                writer.write_table(signed.cast(columns), row_group_size=max(1, signed.num_rows))
        receipt = Receipt(
            name=name,
            step=STEP,
            digest=profile.digest,
            files={path: file_record(self.directory, path)},
            counts={"documents": row["documents"]},
        )
        save_receipt(self.directory, receipt)
        yield receipt


@contextmanager
def _in_turn(size: int) -> Iterator[None]:
    """Hold the turn while a row group of `size` bytes is in memory, if that is much."""
    if size <= LARGE:
        yield
        return
    with _turn:
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
            "verdict": pa.array([VERDICT[layer] for layer in layers], pa.uint8()),
            "heldout": documents["heldout"],
            "stars": pc.fill_null(documents["stars"], 0),
            "exact": document_ids.text_hashes(texts),
            "normalized": document_ids.normalized_hashes(texts),
            "has_signature": pa.array(has_signature),
            "sketch": document_ids.binary(sketches),
            **{band_column(band): hashes for band, hashes in enumerate(bands.T)},
        }
    )


def _scopes(documents: pa.Table, scope: str) -> list[int]:
    """A number for each place where copies are looked for: 0 everywhere when that is all."""
    if scope == ALL:
        return [0] * documents.num_rows
    names = documents[scope].to_pylist()
    numbers = {name: int(short_digest([scope, name])[:16], 16) for name in set(names)}
    return [numbers[name] for name in names]
