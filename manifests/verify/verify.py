"""Checks every checksum, size, boundary and count of a chain of manifests, in parallel."""

from collections.abc import Callable, Container, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from manifests.dataset.shard_index import (
    SHARD_TABLE,
    ShardRow,
    by_component,
    read_shard_rows,
    sums_of,
)
from manifests.dataset.tombstone_file import FOLDER, SUFFIX
from manifests.dataset.tombstones import Tombstones
from manifests.errors import DataError
from manifests.io import files
from manifests.lineage.chain import Chain, Link
from manifests.lineage.manifest import FILE, ComponentTotals
from manifests.lineage.parts_table import DedupPart, FilteredPart, read_parts, read_previous_parts
from manifests.lineage.receipts import (
    FileRecord,
    Receipt,
    load_receipt,
    merge_funnels,
    receipt_names,
)
from manifests.shards import block_table
from manifests.shards.block_table import BlockTable
from manifests.shards.writer import sample_index
from manifests.verify.parts import (
    check_duplicates,
    check_file,
    check_part,
    check_sha256,
    read_duplicates,
)
from manifests.verify.shard import check_shard
from manifests.verify.side_files import check_documents, check_index

Sizes = Mapping[str, int]
"""Path relative to the directory of a job -> bytes, for all its files."""

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all) as files are finished."""


@dataclass
class Verified:
    """Counts of the checked files, and every fault as a sentence."""

    files: int = 0
    bytes: int = 0
    shards: int = 0
    documents: int = 0
    tokens: int = 0
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Files that were not checked because they do not exist, which is not a fault."""

    def plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"ok": not self.faults, **vars(self)}


@dataclass(frozen=True)
class _Task:
    """The check of one or more files; it raises DataError at the first fault."""

    bytes: int
    files: int
    check: Callable[[], None]


def verify(chain: Chain, progress: Progress = lambda done, total: None) -> Verified:
    """Check every file that a chain of manifests names.

    Returns:
        The counts and the sorted faults. The chain is in order if there is no fault.
    """
    result = Verified()
    if chain.missing:
        (result.faults if chain.broken else result.notes).append(chain.missing)
    tasks: list[_Task] = []
    for parent, link in zip([None, *chain.links], chain.links, strict=False):
        sizes = files.sizes(link.directory)
        for plan in (_handover, _tables, _STEPS[link.manifest.step]):
            try:
                tasks += plan(parent, link, result, sizes)
            except DataError as fault:
                result.faults.append(str(fault))
    total, done = sum(task.bytes for task in tasks), 0
    with ThreadPoolExecutor(files.READ_THREADS) as pool:
        running = {pool.submit(task.check): task for task in tasks}
        for future in as_completed(running):
            task = running[future]
            try:
                future.result()
            except DataError as fault:
                result.faults.append(str(fault))
            result.files += task.files
            done += task.bytes
            progress(done, total)
    result.bytes = total
    result.faults = sorted(set(result.faults))
    return result


def _handover(parent: Link | None, link: Link, result: Verified, sizes: Sizes) -> list[_Task]:
    """Check that the input of a job is the output of the job before, component by component."""
    if parent is None:
        return []
    for source, components in parent.manifest.funnel.items():
        into = link.manifest.funnel.get(source, {})
        for name, out in components.items():
            came = into.get(name)
            for field_name in ("documents", "bytes"):
                given = getattr(out, field_name)
                taken = getattr(came, f"{field_name}_in") if came else 0
                if given != taken:
                    raise DataError(
                        f"{link.directory}/manifest.json: funnel.{source}.{name}.{field_name}_in "
                        f"is {taken}, but {parent.directory} kept {given}"
                    )
    return []


def _tables(parent: Link | None, link: Link, result: Verified, sizes: Sizes) -> list[_Task]:
    """Check the files that the manifest names by digest."""
    wanted, tokenizer = dict(link.manifest.tables), link.manifest.tokenizer
    if tokenizer and wanted.setdefault(tokenizer.file, tokenizer.sha256) != tokenizer.sha256:
        result.faults.append(
            f"{link.directory}/manifest.json: tokenizer.sha256 is not the one of {tokenizer.file} "
            "in tables: the shards were encoded by another tokenizer"
        )
    return [
        _Task(sizes.get(path, 0), 1, partial(check_sha256, url, digest, FILE))
        for path, digest in sorted(wanted.items())
        for url in [files.join(link.directory, path)]
    ]


def _license_filter(
    parent: Link | None, link: Link, result: Verified, sizes: Sizes
) -> Iterator[_Task]:
    """Check documents/ and decisions/ of each part, unless documents/ were cleaned away."""
    paths = {
        f"documents/{row.name}.parquet": row for row in read_parts(link.directory, FilteredPart)
    }
    place = files.join(link.directory, "documents")
    # Not by `sizes`, which leaves out folders behind symbolic links.
    written = {f"documents/{name}" for name in files.list_names(place)}
    kept = not paths or not written.isdisjoint(paths)
    if not kept:
        result.notes.append(f"{place}: was cleaned away, so documents are not checked")
    for path, row in paths.items() if kept else ():
        yield _Task(sizes.get(path, 0), 2, partial(check_part, link.directory, row))
    yield from _receipts(link, set(paths), () if kept else paths)


def _dedup(parent: Link | None, link: Link, result: Verified, sizes: Sizes) -> Iterator[_Task]:
    """Check duplicates/ of each part against documents/ of the job before."""
    parts = read_parts(link.directory, DedupPart)
    previous = read_previous_parts(link.directory)
    counts = {row.part: row.documents for row in [*parts, *previous]}
    documents = files.join(parent.directory if parent else link.directory, "documents")
    removed = read_duplicates(link.directory, parts)
    for row in parts:
        size = sizes.get(f"duplicates/{row.name}.parquet", 0)
        yield _Task(
            size, 1, partial(check_duplicates, link.directory, row, documents, counts, removed)
        )
    yield from _receipts(link, {f"duplicates/{row.name}.parquet" for row in parts})


def _receipts(
    link: Link, wanted: set[str], removed: Container[str] = frozenset()
) -> Iterator[_Task]:
    """Check the files of the receipts of `wanted`, and that their funnels add up to the manifest's.

    Receipts of other runs may exist. A receipt counts if its step digest is the manifest's, or if a
    wanted file has its name (license_filter has a digest for each source).

    Args:
        link: the job.
        wanted: paths of files that must have a receipt.
        removed: paths of files that were cleaned away.
    """
    receipts: dict[str, Receipt] = {}
    with ThreadPoolExecutor(files.REQUESTS) as pool:
        loaded = pool.map(partial(load_receipt, link.directory), receipt_names(link.directory))
        for receipt in filter(None, loaded):
            for path in sorted(wanted & receipt.files.keys()):
                if receipt.digest == link.manifest.digest or receipt.name in path:
                    receipts[path] = receipt
    missing = sorted(wanted - receipts.keys())
    if missing:
        raise DataError(f"{files.join(link.directory, missing[0])}: has no receipt")
    for receipt in receipts.values():
        for path, record in receipt.files.items():
            if path in removed:
                continue
            yield _Task(record.bytes, 1, partial(check_file, link.directory, path, record))
    if merge_funnels(receipts[path].funnel for path in sorted(receipts)) != link.manifest.funnel:
        raise DataError(f"{link.directory}/manifest.json: funnel is not the sum of its receipts")


def _tokenize(parent: Link | None, link: Link, result: Verified, sizes: Sizes) -> Iterator[_Task]:
    """Check the totals of components, the tombstones, and each shard with its side files."""
    rows = read_shard_rows(link.directory, link.manifest)
    _check_components(link, rows)
    tombstones = Tombstones(link.directory, link.manifest)
    for name in tombstones.names:
        url = f"{FOLDER}/{name}{SUFFIX}"
        yield _Task(sizes.get(url, 0), 1, partial(tombstones.check, name))
    tables = _block_tables(link, rows, result)
    owners: dict[str, str] = {}
    by_digest = {row.sha256: row.shard for row in rows}
    result.shards = len(rows)
    result.documents = sum(row.documents for row in rows)
    result.tokens = sum(row.tokens for row in rows)
    for row in rows if not tables else []:
        record = FileRecord(bytes=row.bytes, sha256=row.sha256)
        yield _Task(row.bytes, 1, partial(check_file, link.directory, row.shard, record))
    for row, table in zip(rows, tables, strict=bool(tables)):
        yield _Task(row.bytes, 3, partial(_check_shard, link, row, table, owners, by_digest))


_STEPS = {"license_filter": _license_filter, "dedup": _dedup, "tokenize": _tokenize}
"""Step -> the checks of the files that only this step writes."""


def _check_components(link: Link, rows: list[ShardRow]) -> None:
    """Check that the shards of each component add up to its totals in manifest.json."""
    place = f"{link.directory}/manifest.json"
    for heldout, title in enumerate(("components", "heldout_components")):
        components: dict[str, ComponentTotals] = getattr(link.manifest, title)
        shards = by_component(row for row in rows if row.heldout == heldout)
        if shards.keys() != components.keys():
            odd = sorted(shards.keys() ^ components.keys())[0]
            raise DataError(f"{place}: {title}: {odd} is only here or only in {SHARD_TABLE}")
        for name, totals in components.items():
            for field_name, value in sums_of(shards[name]).items():
                if (recorded := getattr(totals, field_name)) != value:
                    raise DataError(
                        f"{place}: {title}.{name}.{field_name} is {recorded}, "
                        f"but {SHARD_TABLE} gives {value}"
                    )


def _block_tables(link: Link, rows: list[ShardRow], result: Verified) -> list[BlockTable]:
    """Return each shard's rows of the block table; none if its SHA-256 is wrong."""
    url = files.join(link.directory, block_table.FILE)
    if not files.exists(url) or files.sha256(url) != link.manifest.tables.get(block_table.FILE):
        result.notes.append(
            f"{url}: is wrong, so shards are checked, but not their blocks; "
            f"`stackpile repair {link.directory}` rebuilds it"
        )
        return []
    table = block_table.read_blocks(url)
    numbers = np.repeat(np.arange(len(rows)), [row.blocks for row in rows])
    if len(table) != len(numbers):
        raise DataError(f"{url}: has {len(table)} blocks; {SHARD_TABLE} says {len(numbers)}")
    wrong = np.flatnonzero(table["shard"] != numbers)
    if len(wrong):
        raise DataError(
            f"{url}: byte {int(wrong[0]) * block_table.BLOCK.itemsize}: block {wrong[0]} is of "
            f"shard {table['shard'][wrong[0]]}, not {numbers[wrong[0]]}"
        )
    return block_table.cut(table, [row.blocks for row in rows])


def _check_shard(
    link: Link,
    row: ShardRow,
    table: BlockTable,
    owners: dict[str, str],
    by_digest: dict[str, str],
) -> None:
    """Check a shard and its side files, and that no other shard has the same keys."""
    tokenizer = link.manifest.tokenizer
    assert tokenizer is not None
    url = files.join(link.directory, row.shard)
    try:
        starts = check_shard(url, row, table, tokenizer.dtype, tokenizer.vocabulary)
    except DataError as fault:
        other = by_digest.get(files.sha256(url)) if files.exists(url) else None
        if other and other != row.shard:
            raise DataError(f"{url}: holds the bytes of {other}: shards were swapped") from None
        raise fault from None
    other = owners.setdefault(starts.prefix, row.shard)
    if other != row.shard:
        raise DataError(f"{url}: its keys start with {starts.prefix}, like those of {other}")
    index = sample_index(table, np.dtype(tokenizer.dtype).itemsize)
    check_index(files.join(link.directory, row.index_path), index)
    check_documents(files.join(link.directory, row.table_path), row, starts)
