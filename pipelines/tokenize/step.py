"""The work on one shard: encode the kept documents of a group of parts, and write them.

Worker processes import this module, so it does not import Beam.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypedDict

import pyarrow as pa

from filters import document_ids, redaction
from manifests.dataset.writer import DatasetShard, ShardRecord
from manifests.io import files
from manifests.io.digest import short_digest
from manifests.lineage.receipts import (
    ComponentFunnel,
    FileRecord,
    Receipt,
    file_record,
    save_receipt,
)
from pipelines.tokenize.encoder import load_encoder
from pipelines.tokenize.kept_documents import KeptDocuments, KeptTables

STEP = "tokenize"

GROUP_BYTES = 1 << 30
"""Bytes of text in a shard at most, or one part (ours: with about four bytes of text and two
bytes on disk for each token, shards have about 512 MB)."""

BATCH_BYTES = 8 << 20
"""Bytes of text that are encoded in one call (ours: larger batches are not faster)."""

GROUPS = pa.schema(
    [
        pa.field("part", pa.string(), nullable=False),  # the name of the receipt
        pa.field("source", pa.string(), nullable=False),
        pa.field("component", pa.string(), nullable=False),
        pa.field("heldout", pa.bool_(), nullable=False),
        pa.field("number", pa.int64(), nullable=False),  # of the shard within its component
        pa.field("documents", pa.list_(pa.string()), nullable=False),  # names of parts
        pa.field("text_bytes", pa.int64(), nullable=False),
    ]
)
"""Columns of groups.parquet, which has one row for each shard."""


class Group(TypedDict):
    """A row of groups.parquet."""

    part: str
    source: str
    component: str
    heldout: bool
    number: int
    documents: list[str]
    text_bytes: int


def shard_path(group: Group) -> str:
    """Return the path of a shard relative to the dataset; it changes with the shard's content."""
    directory = "heldout" if group["heldout"] else "shards"
    return f"{directory}/{group['component']}-{group['number']:05d}-{group['part'][:8]}.tar"


@dataclass
class WriteShards:
    """Writes a shard, its side files and a receipt for each group of parts."""

    directory: str
    """tokenize-NAME/, which holds tokenizer.json."""
    kept: KeptTables
    dtype: str
    """dtype of the tokens: uint16 or uint32."""
    digest: str
    """The step digest."""
    redacted: tuple[str, ...] = ()
    """Sources whose personal data is replaced."""

    def setup(self) -> None:
        """Load the encoder, which keeps the texts of special tokens as text."""
        self._encoder = load_encoder(files.join(self.directory, "tokenizer.json"))

    def receipts(self, row: Group) -> Iterator[str]:
        """Yield the name of the group's receipt."""
        yield row["part"]

    def work(self, row: Group) -> Iterator[Receipt]:
        """Encode the documents of a group in order, and write them to a shard."""
        replaced: Counter[str] = Counter()
        with DatasetShard(
            self.directory,
            shard_path(row),
            row["component"],
            heldout=row["heldout"],
            dtype=self.dtype,
        ) as shard:
            for batch in self._batches(row):
                self._write(shard, self._redact(row["source"], batch, replaced))
            record = shard.close()
        known = FileRecord(bytes=record.bytes, sha256=record.sha256)
        receipt = Receipt(
            name=row["part"],
            step=STEP,
            digest=self.digest,
            files={
                path: known if path == record.shard else file_record(self.directory, path)
                for path in record.files
            },
            counts={"redacted": dict(replaced)} if row["source"] in self.redacted else {},
            funnel=_funnel(row, record),
            extra={"shard": record.model_dump(mode="json")},
        )
        save_receipt(self.directory, receipt)
        yield receipt

    def _batches(self, group: Group) -> Iterator[pa.Table]:
        """Yield tables of about BATCH_BYTES of text; a row group can be much larger."""
        for part in group["documents"]:
            for table in self.kept.read(part, group["component"], group["heldout"]):
                start = total = 0
                for index, size in enumerate(table["bytes"].to_pylist()):
                    if total >= BATCH_BYTES:
                        yield table.slice(start, index - start)
                        start, total = index, 0
                    total += size
                yield table.slice(start)

    def _redact(self, source: str, batch: pa.Table, replaced: Counter[str]) -> pa.Table:
        """Replace personal data and count it. `bytes` stays the size of the original text."""
        if source not in self.redacted:
            return batch
        redacted = redaction.redact(batch["text"])
        replaced.update(redacted.counts)
        column = batch.schema.get_field_index("text")
        return batch.set_column(column, batch.schema.field(column), redacted.texts)

    def _write(self, shard: DatasetShard, batch: pa.Table) -> None:
        """Encode a batch of documents, check a sample of them, and add them to the shard."""
        texts = batch["text"].combine_chunks()
        encoded = self._encoder.encode(texts)
        hashes = document_ids.text_hashes(texts).to_pylist()
        self._encoder.check(texts, hashes, encoded)
        documents: list[dict[str, Any]] = batch.drop_columns(["text"]).to_pylist()
        for document, tokens, text_hash in zip(documents, encoded, hashes, strict=True):
            shard.add(
                tokens,
                id=document["id"],
                text_hash=text_hash,
                repositories=document["repositories"],
                path=document["path"],
                license=document["license"],
                text_bytes=document["bytes"],
            )


def _funnel(group: Group, record: ShardRecord) -> dict[str, dict[str, ComponentFunnel]]:
    """Return the funnel of a shard: no document is rejected."""
    funnel = ComponentFunnel(
        documents_in=record.documents,
        bytes_in=record.text_bytes,
        documents=record.documents,
        bytes=record.text_bytes,
        tokens=record.tokens,
    )
    return {group["source"]: {group["component"]: funnel}}


def make_groups(kept: KeptDocuments, digest: str) -> pa.Table:
    """Return groups.parquet: consecutive parts of a component, up to GROUP_BYTES of text each.

    Args:
        kept: the documents.
        digest: the step digest, which the names of receipts depend on.
    """
    current: dict[tuple[str, bool], tuple[Group, list[list[str]]]] = {}
    groups: list[tuple[Group, list[list[str]]]] = []
    for part in kept.parts:
        for count in part.counts:
            key = count["component"], count["heldout"]
            group, identity = current.get(key, (None, []))
            if group is None or group["text_bytes"] + count["bytes"] > GROUP_BYTES:
                number = group["number"] + 1 if group else 0
                group, identity = _empty_group(part.source, *key, number), []
                current[key] = group, identity
                groups.append(current[key])
            group["documents"].append(part.name)
            group["text_bytes"] += count["bytes"]
            identity.append(part.identity)
    rows = []
    for group, identity in groups:
        place = [group["component"], group["heldout"], group["number"]]
        rows.append({**group, "part": short_digest([STEP, digest, *place, identity])})
    rows.sort(key=lambda row: (row["component"], row["heldout"], row["number"]))
    return pa.Table.from_pylist(rows, schema=GROUPS)


def _empty_group(source: str, component: str, heldout: bool, number: int) -> Group:
    """Return a group without parts; `part` is the digest of what is in it in the end."""
    return Group(
        part="",
        source=source,
        component=component,
        heldout=heldout,
        number=number,
        documents=[],
        text_bytes=0,
    )
