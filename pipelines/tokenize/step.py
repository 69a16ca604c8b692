"""The work on one shard: encode the kept documents of a group of parts, and write them.

Worker processes import this module, so it does not import Beam.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

import numpy as np
import pyarrow as pa

from filters import document_ids, redaction
from manifests.dataset.writer import DatasetShard, ShardRecord
from manifests.io import files
from manifests.io.digest import short_digest
from manifests.lineage.receipts import ComponentFunnel, FileRecord, write_receipt
from manifests.ranges import ranges_within
from manifests.schemas import schema_of
from pipelines.corpus.source_table import TagMode
from pipelines.runtime.step import Step
from pipelines.tokenize.encoder import load_encoder
from pipelines.tokenize.kept_documents import KeptDocuments, KeptPart, KeptTables
from pipelines.tokenize.tags import Pieces, cut_at_tags, tag_ids

STEP = "tokenize"

GROUP_BYTES = 1 << 30
"""Bytes of text in a shard at most, or one part (ours: with about four bytes of text and two
bytes on disk for each token, shards have about 512 MB)."""

BATCH_BYTES = 8 << 20
"""Bytes of text that are encoded in one call (ours: larger batches are not faster)."""


class Group(TypedDict):
    """A row of groups.parquet, which has one row for each shard."""

    part: str
    """Name of the receipt."""
    source: str
    component: str
    heldout: bool
    number: int
    """Number of the shard within its component."""
    documents: list[str]
    """Names of parts."""
    text_bytes: int


def shard_path(group: Group) -> str:
    """Return the path of a shard relative to the dataset; it changes with the shard's content."""
    directory = "heldout" if group["heldout"] else "shards"
    return f"{directory}/{group['component']}-{group['number']:05d}-{group['part'][:8]}.tar"


@dataclass
class WriteShards(Step[Group]):
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
    tags: Mapping[str, TagMode] = field(default_factory=dict)
    """Source with tags in its texts -> what becomes of them."""

    def setup(self) -> None:
        """Load the encoder, which keeps the texts of special tokens as text."""
        tokenizer = files.join(self.directory, "tokenizer.json")
        self._encoder = load_encoder(tokenizer)
        self._tag_ids = tag_ids(tokenizer)

    def receipts(self, row: Group) -> Iterator[str]:
        """Yield the name of the group's receipt."""
        yield row["part"]

    def work(self, row: Group) -> None:
        """Encode the documents of a group in order, and write them to a shard."""
        counts: dict[str, Counter[str]] = {"redacted": Counter(), "tags": Counter()}
        with DatasetShard(
            self.directory,
            shard_path(row),
            row["component"],
            heldout=row["heldout"],
            dtype=self.dtype,
        ) as shard:
            for batch in self._batches(row):
                self._write(shard, self._pieces(row["source"], batch, counts))
            record = shard.close()
        write_receipt(
            self.directory,
            record.files,
            {record.shard: FileRecord(bytes=record.bytes, sha256=record.sha256)},
            name=row["part"],
            step=STEP,
            digest=self.digest,
            counts={
                name: dict(counts[name])
                for name, sources in (("redacted", self.redacted), ("tags", self.tags))
                if row["source"] in sources
            },
            funnel=_funnel(row, record),
            extra={"shard": record.model_dump(mode="json")},
        )

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

    def _pieces(self, source: str, batch: pa.Table, counts: Mapping[str, Counter[str]]) -> Pieces:
        """Return the texts of a batch, cut at the tags that become ids, without personal data.

        `bytes` stays the size of the original text.
        """
        pieces = cut_at_tags(batch, self.tags.get(source), self._tag_ids, counts["tags"])
        if source not in self.redacted:
            return pieces
        redacted = redaction.redact(pieces.texts)
        counts["redacted"].update(redacted.counts)
        return pieces._replace(texts=redacted.texts)

    def _write(self, shard: DatasetShard, pieces: Pieces) -> None:
        """Encode a batch of documents, check a sample of them, and add them to the shard."""
        encoded = self._encoder.encode(pieces.texts)
        of_texts = document_ids.text_hashes(pieces.texts).to_pylist()
        self._encoder.check(pieces.texts, of_texts, encoded)
        documents: list[dict[str, Any]] = pieces.rows.drop_columns(["text"]).to_pylist()
        hashes = pieces.hashes(of_texts)
        for document, tokens, text_hash in zip(
            documents, pieces.tokens(encoded), hashes, strict=True
        ):
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
    parts_of: dict[tuple[str, bool], list[tuple[KeptPart, int]]] = {}
    for part in kept.parts:
        for count in part.counts:
            key = count["component"], count["heldout"]
            parts_of.setdefault(key, []).append((part, count["bytes"]))
    rows: list[Group] = []
    for (component, heldout), sized in sorted(parts_of.items()):
        ends = np.cumsum([0, *(size for _, size in sized)])
        for number, (start, stop) in enumerate(ranges_within(ends, GROUP_BYTES)):
            parts = [part for part, _ in sized[start:stop]]
            identity = [component, heldout, number, [part.identity for part in parts]]
            rows.append(
                {
                    "part": short_digest([STEP, digest, *identity]),
                    "source": parts[0].source,
                    "component": component,
                    "heldout": heldout,
                    "number": number,
                    "documents": [part.name for part in parts],
                    "text_bytes": int(ends[stop] - ends[start]),
                }
            )
    return pa.Table.from_pylist(rows, schema=schema_of(Group))
