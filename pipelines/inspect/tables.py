"""The tables of documents of a chain: one for each part, and one for each shard."""

from dataclasses import dataclass
from typing import Any

from manifests.dataset.shard_index import read_shard_rows
from manifests.io import files
from manifests.io.parquet import read_row
from manifests.lineage.chain import Chain
from manifests.lineage.parts_table import DedupPart, FilteredPart, duplicates_url, read_parts
from pipelines.inspect import forgotten

Row = dict[str, Any]
"""A row of a table: column -> value."""


@dataclass(frozen=True)
class DocumentTable:
    """A Parquet table of documents, and what parts.parquet or shards.parquet says about it.

    Attributes:
        url: the table.
        number: number of the part, or of the shard in shards.parquet.
        name: name of the part, or path of the shard.
        source: source of the part; "" for a shard.
        input: input of the part; "" for a shard and for duplicates/.
        components: `source/slug` of the components in the table; none for duplicates/.
        size: bytes of text of the part, or tokens of the shard; 0 for duplicates/.
        heldout: whether the shard is held out for validation.
    """

    url: str
    number: int
    name: str
    source: str = ""
    input: str = ""
    components: tuple[str, ...] = ()
    size: int = 0
    heldout: bool = False


@dataclass(frozen=True)
class StoredDocument:
    """A document of a shard.

    Attributes:
        id, text_hash: hexadecimal digits.
        source, component, repositories, path, license: origin of the document.
        block, start: address of the first token: block of the shard, token of the block.
        tokens: number of tokens.
        shard: path of the shard.
        number: number of the shard in shards.parquet.
        heldout: whether the shard is held out for validation.
        forgotten: entries of tombstones by which the document is forgotten.
    """

    id: str
    text_hash: str
    source: str
    component: str
    repositories: list[str]
    path: str
    license: str | None
    block: int
    start: int
    tokens: int
    shard: str
    number: int
    heldout: bool
    forgotten: list[str]


def decision_tables(chain: Chain) -> list[DocumentTable]:
    """Return the tables of decisions/, with every row that came in; none without license_filter."""
    return _part_tables(chain, "decisions")


def document_tables(chain: Chain) -> list[DocumentTable]:
    """Return the tables of documents/; none if documents/ is missing or was cleaned away."""
    link = chain.link("license_filter")
    written = set(files.list_names(files.join(link.directory, "documents"))) if link else set()
    tables = _part_tables(chain, "documents")
    return [table for table in tables if f"{table.name}.parquet" in written]


def duplicate_tables(chain: Chain) -> list[DocumentTable]:
    """Return the tables of duplicates/; none without dedup."""
    link = chain.link("dedup")
    if link is None:
        return []
    return [
        DocumentTable(duplicates_url(link.directory, row.name), row.part, row.name, row.source)
        for row in read_parts(link.directory, DedupPart)
    ]


def shard_tables(chain: Chain) -> list[DocumentTable]:
    """Return the tables beside the shards; none without tokenize."""
    link = chain.link("tokenize")
    if link is None:
        return []
    return [
        DocumentTable(
            files.join(link.directory, row.table_path),
            number,
            row.shard,
            components=(row.component,),
            size=row.tokens,
            heldout=row.heldout,
        )
        for number, row in enumerate(read_shard_rows(link.directory, link.manifest))
    ]


def take_row(table: DocumentTable, row: int, columns: list[str] | None = None) -> Row:
    """Return one row of a table."""
    return read_row(table.url, row, columns)


def stored_document(chain: Chain, shard: DocumentTable, row: int) -> StoredDocument:
    """Return the document in a row of the table beside a shard."""
    values = take_row(shard, row)
    return StoredDocument(
        **values | {name: values[name].hex() for name in ("id", "text_hash")},
        shard=shard.name,
        number=shard.number,
        heldout=shard.heldout,
        forgotten=forgotten.reasons(chain, shard.number, row),
    )


def _part_tables(chain: Chain, folder: str) -> list[DocumentTable]:
    """Return the tables of a folder of license_filter, one for each part."""
    link = chain.link("license_filter")
    if link is None:
        return []
    return [
        DocumentTable(
            files.join(link.directory, folder, f"{row.name}.parquet"),
            row.part,
            row.name,
            row.source,
            row.input,
            tuple(row.components),
            row.bytes,
        )
        for row in read_parts(link.directory, FilteredPart)
    ]
