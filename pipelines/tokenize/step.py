"""shards/: the documents that stay, as tokens, with what is known of each beside them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

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
from pipelines.tokenize.kept_documents import Surviving, surviving

STEP = "tokenize"

GROUP_BYTES = 1 << 30
"""Text of a shard's parts, in bytes, at most (or one part): at about four bytes a token and two
bytes on disk a token, shards of about 512 MB (section 4 of the design)."""

BATCH_BYTES = 8 << 20
"""Text encoded at once, in bytes: beside it a call costs nothing, and it is little memory."""

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
"""Columns of groups.parquet: each row becomes a shard."""


def shard_path(row: dict[str, Any]) -> str:
    """Return where a shard lies, relative to the dataset; its name changes with its content."""
    directory = "heldout" if row["heldout"] else "shards"
    return f"{directory}/{row['component']}-{row['number']:05d}-{row['part'][:8]}.tar"


@dataclass
class Tokenize:
    """Makes a shard, its side files and a receipt of each group of parts."""

    directory: str
    """tokenize-NAME/."""
    documents: str
    """license_filter/documents/."""
    duplicates: str
    """dedup/duplicates/."""
    dtype: str
    """uint16 or uint32."""
    digest: str
    """The step digest."""
    redacted: tuple[str, ...] = ()
    """Sources whose personal data is replaced."""

    def setup(self) -> None:
        """Load the tokenizer, without its control tokens."""
        self._encoder = load_encoder(files.join(self.directory, "tokenizer.json"))

    def receipts(self, row: dict[str, Any]) -> Iterator[str]:
        """Yield the one name."""
        yield row["part"]

    def work(self, row: dict[str, Any]) -> Iterator[Receipt]:
        """Encode a group's documents in order and write them."""
        shard = DatasetShard(
            self.directory,
            shard_path(row),
            row["component"],
            heldout=row["heldout"],
            dtype=self.dtype,
        )
        counts: Counter[str] = Counter()
        with shard:
            for batch in self._batches(row):
                self._write(shard, self._redact(row["source"], batch, counts))
            record = shard.close()
        known = FileRecord(bytes=record.bytes, sha256=record.sha256)
        receipt = Receipt(
            name=row["part"],
            step=STEP,
            digest=self.digest,
            files={
                path: known if path == record.shard else file_record(self.directory, path)
                for path in shard.side_files
            },
            counts={"redacted": dict(counts)} if row["source"] in self.redacted else {},
            funnel=_funnel(row, record),
            extra={"shard": record.model_dump(mode="json")},
        )
        save_receipt(self.directory, receipt)
        yield receipt

    def _batches(self, row: dict[str, Any]) -> Iterator[pa.Table]:
        """Tables of about BATCH_BYTES: a row group can be much larger than that."""
        for name in row["documents"]:
            documents = files.join(self.documents, f"{name}.parquet")
            duplicates = files.join(self.duplicates, f"{name}.parquet")
            for table in surviving(documents, duplicates, row["component"], row["heldout"]):
                start = total = 0
                for index, size in enumerate(table["bytes"].to_pylist()):
                    if total >= BATCH_BYTES:
                        yield table.slice(start, index - start)
                        start, total = index, 0
                    total += size
                yield table.slice(start)

    def _redact(self, source: str, batch: pa.Table, counts: Counter[str]) -> pa.Table:
        """Replace personal data, and count it; `bytes` stays that of the texts as they came."""
        if source not in self.redacted:
            return batch
        redacted = redaction.redact(batch["text"])
        counts.update(redacted.counts)
        place = batch.schema.get_field_index("text")
        return batch.set_column(place, batch.schema.field(place), redacted.texts)

    def _write(self, shard: DatasetShard, batch: pa.Table) -> None:
        encoded = self._encoder.encode(batch["text"])
        hashes = document_ids.text_hashes(batch["text"].combine_chunks()).to_pylist()
        self._encoder.check(batch["text"], hashes, encoded)
        rows = batch.drop_columns(["text"]).to_pylist()
        for row, tokens, text_hash in zip(rows, encoded, hashes, strict=True):
            shard.add(
                tokens,
                id=row["id"],
                text_hash=text_hash,
                repositories=row["repositories"],
                path=row["path"],
                license=row["license"],
                text_bytes=row["bytes"],
            )


def _funnel(row: dict[str, Any], record: ShardRecord) -> dict[str, dict[str, ComponentFunnel]]:
    counted = ComponentFunnel(
        documents_in=record.documents,
        bytes_in=record.text_bytes,
        documents=record.documents,
        bytes=record.text_bytes,
        tokens=record.tokens,
    )
    return {row["source"]: {row["component"]: counted}}


def make_groups(inputs: Surviving, digest: str) -> pa.Table:
    """Return groups.parquet: consecutive parts of a component, up to GROUP_BYTES of text each."""
    open_groups: dict[tuple[str, bool], dict[str, Any]] = {}
    rows: list[dict[str, Any]] = []
    for part, left, identity_of_part in zip(
        inputs.parts, inputs.kept, inputs.identity, strict=True
    ):
        for item in left:
            key = item["component"], item["heldout"]
            group = open_groups.get(key)
            if group is None or group["text_bytes"] + item["bytes"] > GROUP_BYTES:
                number = group["number"] + 1 if group else 0
                group = _empty_group(part["source"], *key, number)
                open_groups[key] = group
                rows.append(group)
            group["documents"].append(part["name"])
            group["identity"].append(identity_of_part)
            group["text_bytes"] += item["bytes"]
    rows.sort(key=lambda row: (row["component"], row["heldout"], row["number"]))
    for row in rows:
        place = [row["component"], row["heldout"], row["number"]]
        row["part"] = short_digest([STEP, digest, *place, row.pop("identity")])
    return pa.Table.from_pylist(rows, schema=GROUPS)


def _empty_group(source: str, component: str, heldout: bool, number: int) -> dict[str, Any]:
    return {
        "source": source,
        "component": component,
        "heldout": heldout,
        "number": number,
        "documents": [],
        "identity": [],
        "text_bytes": 0,
    }
