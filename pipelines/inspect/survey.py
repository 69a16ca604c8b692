"""Statistics that need the tables of documents: licenses, lengths, duplicates, and samples."""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow.compute as pc

from manifests.io import files
from manifests.io.files import READ_THREADS
from manifests.io.parquet import read_table
from manifests.lineage.chain import Chain
from manifests.lineage.counting import count_documents
from manifests.lineage.receipts import Count
from manifests.prng.splitmix import below, derive_key
from pipelines.inspect.document import stored_text
from pipelines.inspect.forgotten import forgotten_ids
from pipelines.inspect.tables import (
    DocumentTable,
    Row,
    document_tables,
    duplicate_tables,
    shard_tables,
    stored_document,
    take_row,
)

MAX_TABLES = 2000
"""Maximum number of tables that are read, evenly spread. Ours: about a minute of reading, and
enough for shares that are exact to a thousandth."""

SAMPLES = 6
"""Number of components of which a document is shown."""


@dataclass(frozen=True)
class Sample:
    """A document: its origin (column -> value) and its text."""

    origin: Row
    text: str


@dataclass(frozen=True)
class Survey:
    """Sums over tables of documents.

    Attributes:
        measure: unit of lengths: tokens, or bytes before there are tokens.
        read: number of tables that were read.
        tables: number of all tables.
        licenses: license (an empty name if none is known) -> its documents, and the sum of their
            lengths as `bytes`.
        lengths: binary digits of a length (0 for 0, 1 for 1, 2 for 2-3, 3 for 4-7 ...) -> number of
            documents.
        clusters: size -> number of clusters.
        similarity: twentieths of the similarity to the kept document, rounded up -> number of
            near-duplicates.
        samples: documents, one for each component, chosen by the digest of the manifest.
    """

    measure: str
    read: int
    tables: int
    licenses: dict[str, Count]
    lengths: dict[int, int]
    clusters: dict[int, int]
    similarity: dict[int, int]
    samples: list[Sample] = field(default_factory=list)


def survey(chain: Chain) -> Survey:
    """Read the tables of documents of a chain's last job.

    Raises:
        DataError: a table is missing or is not a Parquet file.
    """
    tokenized = chain.link("tokenize") is not None
    tables = shard_tables(chain) if tokenized else document_tables(chain)
    measure = "tokens" if tokenized else "bytes"
    chosen = spread(tables, MAX_TABLES)
    licenses: dict[str, Count] = defaultdict(Count)
    lengths: Counter[int] = Counter()
    with ThreadPoolExecutor(READ_THREADS) as pool:
        for counts, bins in pool.map(lambda table: _count(table, measure), chosen):
            lengths += bins
            for name, count in counts.items():
                licenses[name] += count
    clusters, similarity = _duplicates(chain)
    return Survey(
        measure=measure,
        read=len(chosen),
        tables=len(tables),
        licenses=dict(sorted(licenses.items(), key=lambda item: -item[1].documents)),
        lengths=dict(sorted(lengths.items())),
        clusters=clusters,
        similarity=similarity,
        samples=_samples(chain, tables),
    )


def spread(tables: Sequence[DocumentTable], most: int) -> list[DocumentTable]:
    """Return at most `most` tables, evenly spread, in order."""
    count = min(most, len(tables))
    return [tables[index * len(tables) // count] for index in range(count)]


def _count(table: DocumentTable, measure: str) -> tuple[dict[str, Count], Counter[int]]:
    """Return documents and sums of lengths by license, and documents by length bin."""
    rows = read_table(table.url, ["license", measure])
    rows = rows.set_column(0, "license", pc.fill_null(rows["license"], ""))
    counts = dict(count_documents(rows, ["license"], measure))
    return counts, Counter(length_bins(rows[measure].to_numpy()).tolist())


def length_bins(lengths: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the number of binary digits of each length: 0 -> 0, 1 -> 1, 2 and 3 -> 2, ..."""
    return np.asarray(np.frexp(lengths.astype(np.float64))[1], np.int64)


def _duplicates(chain: Chain) -> tuple[dict[int, int], dict[int, int]]:
    """Return `clusters` and `similarity` of a survey.

    A cluster of n documents has n - 1 rows in duplicates/: all but the kept document.
    """
    removed: Counter[int] = Counter()
    similarity: Counter[int] = Counter()
    for table in duplicate_tables(chain):
        rows = read_table(table.url, ["cluster_size", "similarity", "rule"])
        removed.update(rows["cluster_size"].to_pylist())
        near = rows.filter(pc.equal(rows["rule"], "minhash"))["similarity"].to_numpy()
        similarity.update(np.ceil(near * 20 - 1e-4).astype(np.int64).tolist())
    clusters = {size: round(number / max(1, size - 1)) for size, number in sorted(removed.items())}
    return clusters, dict(sorted(similarity.items()))


def _samples(chain: Chain, tables: Sequence[DocumentTable]) -> list[Sample]:
    """Return a document of each of the largest components, drawn with the manifest's digest."""
    key = int(chain.last.digest[:16], 16)
    sizes: Counter[str] = Counter()
    by_component: dict[str, list[DocumentTable]] = {}
    for table in tables:
        for component in table.components if not table.heldout else ():
            sizes[component] += table.size
            by_component.setdefault(component, []).append(table)
    ids = forgotten_ids(chain)
    samples: list[Sample] = []
    for component, _ in sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:SAMPLES]:
        own_key = derive_key(key, component)
        candidates = by_component[component]
        table = candidates[below(np.uint64(derive_key(own_key, 0)), len(candidates))]
        samples += _sample(chain, table, component, own_key, ids)
    return samples


def _sample(
    chain: Chain, table: DocumentTable, component: str, key: int, forgotten: Collection[bytes]
) -> list[Sample]:
    """Return one document of a component from a table; none if the table has none."""
    columns = read_table(table.url, ["component", "id"])
    mask = pc.equal(columns["component"], component).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(mask)
    if forgotten:
        rows = rows[[columns["id"][row].as_py() not in forgotten for row in rows.tolist()]]
    if not len(rows):
        return []
    row = int(rows[below(np.uint64(derive_key(key, 1)), len(rows))])
    origin = take_row(table, row) | {"table": files.join(*table.url.rsplit("/", 2)[1:])}
    if chain.link("tokenize") is None:
        text = origin.pop("text")
    else:
        text = stored_text(chain, stored_document(chain, table, row))
        origin.pop("text_hash")
    return [Sample({**origin, "id": origin["id"].hex()}, text)]
