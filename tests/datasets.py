"""Datasets of made-up tokens, document by document: where each comes from is the test's to say."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from manifests.dataset.writer import DatasetShard, finish_dataset
from manifests.io import files
from manifests.lineage.manifest import Manifest, Totals, save_manifest
from manifests.lineage.receipts import ComponentFunnel, merge_funnels
from manifests.tokenizer.tokenizer import describe_tokenizer


@dataclass(frozen=True)
class Document:
    """A document: `length` tokens, none of which occurs in any other document of its `number`."""

    number: int
    length: int
    component: str = "own/a"
    heldout: bool = False
    repositories: Sequence[str] = field(default_factory=list)
    license: str | None = "MIT"

    @property
    def tokens(self):
        """Its tokens: uint16 [length], all equal to its number."""
        return np.full(self.length, self.number, np.uint16)


def write_documents(
    directory: Path,
    documents: Sequence[Document],
    tokenizer: bytes,
    *,
    shards: int = 2,
    block_tokens: int = 64,
) -> str:
    """Write a dataset, each component cut into `shards` shards of consecutive documents."""
    path = str(directory / "tokenizer.json")
    files.write_bytes(path, tokenizer)
    records = []
    for component, heldout in sorted({(item.component, item.heldout) for item in documents}):
        selected = [d for d in documents if (d.component, d.heldout) == (component, heldout)]
        parts = np.array_split(np.arange(len(selected)), min(shards, len(selected)))
        for number, some in enumerate(parts):
            folder = "heldout" if heldout else "shards"
            place = f"{folder}/{component}-{number:05d}-0123abcd.tar"
            shard = DatasetShard(
                str(directory),
                place,
                component,
                heldout=heldout,
                dtype="uint16",
                block_tokens=block_tokens,
            )
            with shard:
                for document in (selected[place] for place in some):
                    _add(shard, document)
                records.append(shard.close())
    summary = finish_dataset(str(directory), records)
    funnel = merge_funnels(
        {
            record.component.split("/")[0]: {
                record.component: ComponentFunnel(
                    documents_in=record.documents,
                    bytes_in=record.text_bytes,
                    documents=record.documents,
                    bytes=record.text_bytes,
                    tokens=record.tokens,
                )
            }
        }
        for record in records
    )
    text = sum(record.text_bytes for record in records)
    totals = Totals(
        parts=len(records),
        documents_in=summary.documents,
        bytes_in=text,
        documents=summary.documents,
        bytes=text,
        **summary.sizes,
    )
    manifest = Manifest(
        step="tokenize",
        digest="0" * 64,
        config={"tokenize": {"tokenizer": "made up"}},
        totals=totals,
        funnel=funnel,
        tables={**summary.tables, "tokenizer.json": files.sha256(path)},
        tokenizer=describe_tokenizer(path),
        components=summary.components,
        heldout_components=summary.heldout_components,
    )
    save_manifest(str(directory), manifest)
    return str(directory)


def _add(shard: DatasetShard, document: Document) -> None:
    name = str(document.number).encode()
    shard.add(
        document.tokens,
        id=hashlib.blake2b(name, digest_size=16, person=b"id").digest(),
        text_hash=hashlib.blake2b(name, digest_size=16).digest(),
        repositories=list(document.repositories),
        path=f"{document.number}.txt",
        license=document.license,
        text_bytes=document.length * 3,
    )
