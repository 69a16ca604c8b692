"""What only the tables of documents tell: licenses, lengths, copies, and a few samples."""

from collections import Counter
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow.compute as pc

from manifests.io import files
from manifests.io.parquet import read_table
from manifests.lineage.chain import Chain
from manifests.lineage.receipts import Count
from manifests.prng.splitmix import below, derive
from pipelines.inspect.document import stored_text
from pipelines.inspect.find import (
    Row,
    Table,
    document_tables,
    duplicate_tables,
    shard_tables,
    take_row,
)
from pipelines.inspect.forgotten import forgotten_ids

THREADS = 8

TABLES = 2000
"""Tables of documents that are read, at most, evenly spread: about a minute, and enough for
shares that are good to a thousandth; the survey says how many there are."""

SAMPLES = 6
"""Components of which a document is shown."""


@dataclass(frozen=True)
class Sample:
    """A document with its origin, its text cut to what a page shows."""

    origin: Row
    text: str


@dataclass(frozen=True)
class Survey:
    """Sums over tables of documents.

    Attributes:
        measure: what lengths are counted in: tokens, or bytes before there are tokens.
        read: tables that were read.
        tables: tables that there are.
        licenses: license (an empty name where none is known) -> its documents, and their lengths
            together as `bytes`.
        lengths: documents by the power of two that their length reaches: 0 for none, then 1, 2-3,
            4-7 ...
        clusters: size -> clusters of that size.
        similarity: near-duplicates by their similarity to what stays, in twentieths, rounded up:
            only those that have nothing in common with it are at 0.
        samples: documents, one a component, chosen by the digest of the manifest.
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
        DataError: a table is missing or is none.
    """
    tokenized = chain.link("tokenize") is not None
    tables = shard_tables(chain) if tokenized else document_tables(chain)
    measure = "tokens" if tokenized else "bytes"
    chosen = spread(tables, TABLES)
    licenses: Counter[str] = Counter()
    amounts: Counter[str] = Counter()
    lengths: Counter[int] = Counter()
    with ThreadPoolExecutor(THREADS) as pool:
        for documents, amount, length in pool.map(lambda table: _count(table, measure), chosen):
            licenses += documents
            amounts += amount
            lengths += length
    clusters, similarity = _copies(chain)
    return Survey(
        measure=measure,
        read=len(chosen),
        tables=len(tables),
        licenses={
            name: Count(documents=number, bytes=amounts[name])
            for name, number in licenses.most_common()
        },
        lengths=dict(sorted(lengths.items())),
        clusters=clusters,
        similarity=similarity,
        samples=_samples(chain, tables),
    )


def spread(tables: Sequence[Table], most: int) -> list[Table]:
    """Return at most `most` tables, evenly spread, in order."""
    count = min(most, len(tables))
    return [tables[place * len(tables) // count] for place in range(count)]


def _count(table: Table, measure: str) -> tuple[Counter[str], Counter[str], Counter[int]]:
    found = read_table(table.url, ["license", measure])
    found = found.set_column(0, "license", pc.fill_null(found["license"], ""))
    groups = found.group_by("license").aggregate([(measure, "count"), (measure, "sum")]).to_pylist()
    documents = Counter({row["license"]: row[f"{measure}_count"] for row in groups})
    amounts = Counter({row["license"]: row[f"{measure}_sum"] for row in groups})
    powers, numbers = np.unique(length_bins(found[measure].to_numpy()), return_counts=True)
    return documents, amounts, Counter(dict(zip(powers.tolist(), numbers.tolist(), strict=True)))


def length_bins(lengths: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the number of binary digits of each length: 0 -> 0, 1 -> 1, 2 and 3 -> 2, ..."""
    exponents: np.ndarray[Any, np.dtype[np.int64]]
    exponents = np.frexp(lengths.astype(np.float64))[1].astype(np.int64)
    return exponents


def _copies(chain: Chain) -> tuple[dict[int, int], dict[int, int]]:
    """Return size -> clusters, and the similarities of near-duplicates.

    A cluster of n documents has n - 1 rows in duplicates/: all but the one that stays.
    """
    removed: Counter[int] = Counter()
    similarity: Counter[int] = Counter()
    for table in duplicate_tables(chain):
        found = read_table(table.url, ["cluster_size", "similarity", "rule"])
        sizes, numbers = np.unique(found["cluster_size"].to_numpy(), return_counts=True)
        removed.update(dict(zip(sizes.tolist(), numbers.tolist(), strict=True)))
        near = found.filter(pc.equal(found["rule"], "minhash"))["similarity"].to_numpy()
        twentieths = np.ceil(near * 20 - 1e-4).astype(np.int64)
        similarity.update(twentieths.tolist())
    clusters = {size: round(number / max(1, size - 1)) for size, number in sorted(removed.items())}
    return clusters, dict(sorted(similarity.items()))


def _samples(chain: Chain, tables: Sequence[Table]) -> list[Sample]:
    """Show a document of each of the largest components; the digest says which."""
    key = int(chain.last.digest[:16], 16)
    sizes: Counter[str] = Counter()
    owned: dict[str, list[Table]] = {}
    for table in tables:
        for component in _components(table):
            sizes[component] += int(table.about.get("tokens") or table.about["bytes"])
            owned.setdefault(component, []).append(table)
    samples = []
    gone = forgotten_ids(chain)
    for component, _ in sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:SAMPLES]:
        mine = owned[component]
        own = derive(key, component)
        table = mine[below(derive(own, 0), len(mine))]
        samples += _sample(chain, table, component, own, gone)
    return samples


def _components(table: Table) -> list[str]:
    if table.about.get("heldout"):
        return []
    return [table.about["component"]] if "component" in table.about else table.about["components"]


def _sample(
    chain: Chain, table: Table, component: str, key: int, gone: Collection[bytes]
) -> list[Sample]:
    """Return one document of a component that a table holds, or nothing where it holds none."""
    found = read_table(table.url, ["component", "id"])
    rows = np.flatnonzero(pc.equal(found["component"], component).to_numpy(zero_copy_only=False))
    if gone:
        rows = rows[[found["id"][row].as_py() not in gone for row in rows.tolist()]]
    if not len(rows):
        return []
    place = int(rows[below(derive(key, 1), len(rows))])
    stored = "shard" in table.about
    row = take_row(table, place) | {"table": files.join(*table.url.rsplit("/", 2)[1:])}
    text = stored_text(chain, {**row, **_place(table)}) if stored else row["text"]
    origin = {name: value for name, value in row.items() if name not in ("text", "text_hash")}
    return [Sample({**origin, "id": row["id"].hex()}, text)]


def _place(table: Table) -> Row:
    return {name: table.about[name] for name in ("heldout", "number")}
