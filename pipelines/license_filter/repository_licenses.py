"""Licenses by repository, for sources that name repositories but no licenses.

StarCoderData has no license column, but its repositories are those of The Stack. A join would
shuffle 100 million repositories. Instead, a sorted table of (hash of the repository, index of a
set of licenses), 12 bytes each, is written once from six columns of The Stack. Every worker maps
the table to memory.
"""

import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from filters.licenses.policy import license_strings
from manifests.errors import InputError
from manifests.io import files
from manifests.io.digest import short_digest
from pipelines.corpus.source_table import Source
from pipelines.runtime import progress
from pipelines.sources import parquet_input
from pipelines.sources.rows import values

Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.uint32]
Pairs = dict[int, frozenset[str]]

DIRECTORY = "repositories"


@dataclass(frozen=True)
class Repositories:
    """The licenses of the repositories of a source, or what their package files state.

    Attributes:
        hashes: uint64 [n], ascending: `repository_hash` of each repository.
        numbers: uint32 [n]: index in `sets` of each repository.
        sets: lists of license ids or of statements, each sorted.
    """

    hashes: Hashes
    numbers: Numbers
    sets: Sequence[list[str]]

    def known_sets(self, repositories: Iterable[str]) -> list[list[str]]:
        """Return the sets of those of some repositories that are known."""
        known = []
        for name in repositories:
            wanted = np.uint64(repository_hash(name))
            at = int(np.searchsorted(self.hashes, wanted))
            if at < len(self.hashes) and self.hashes[at] == wanted:
                known.append(self.sets[int(self.numbers[at])])
        return known

    def licenses(self, repositories: Iterable[str]) -> list[str] | None:
        """Return the union of the licenses of some repositories; None if no repository is known."""
        return sorted(set().union(*self.known_sets(repositories))) or None


def repository_hash(name: str) -> int:
    """Return a 64-bit hash of a repository's name in lower case: GitHub ignores case.

    Among 100 million repositories, an unknown name has the hash of a known one with probability
    5e-12.
    """
    data = hashlib.blake2b(name.lower().encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(data, "little")


def table_name(urls: Sequence[str]) -> str:
    """Return the name of the table of some inputs, which changes with the inputs."""
    with ThreadPoolExecutor(files.REQUESTS) as pool:
        stamps = pool.map(files.stamp, urls)
        return short_digest([[url, *stamp] for url, stamp in zip(urls, stamps, strict=True)])


def make_table(directory: str, source: Source) -> str:
    """Write the table of a source below a step's directory unless it exists, and return its URL.

    An input that cannot be read is left out; the parts of the source report it.
    """
    urls = files.glob(source.files)
    base = files.join(directory, DIRECTORY, table_name(urls))
    if files.exists(files.join(base, "sets.json")):
        return base
    with ThreadPoolExecutor(files.READ_THREADS) as pool:
        read = partial(_read, source.layout.repository_licenses)
        pairs = progress.inputs(pool.map(read, urls), "repositories", len(urls))
        save_table(base, merge(pairs))
    return base


def save_table(base: str, table: Repositories) -> None:
    """Write a table. sets.json is written last: its presence means that the table is whole."""
    for name, array in (("hashes", table.hashes), ("numbers", table.numbers)):
        with files.replacing(files.join(base, f"{name}.npy")) as output:
            np.save(output, array)
    files.write_json(files.join(base, "sets.json"), table.sets)


def load_table(base: str) -> Repositories:
    """Return a table; local files are mapped to memory, files of object stores are read."""

    def array(name: str) -> Any:
        url = files.join(base, f"{name}.npy")
        if files.is_local(url):
            return np.load(files.local_path(url), mmap_mode="r")
        return np.load(io.BytesIO(files.read_bytes(url)))

    sets = json.loads(files.read_bytes(files.join(base, "sets.json")))
    return Repositories(array("hashes"), array("numbers"), sets)


def add_repository_licenses(rows: pa.Table, repositories: Repositories) -> pa.Table:
    """Return rows of the schema ROWS; rows without licenses get those of their repositories."""
    pairs = zip(rows["licenses"].to_pylist(), rows["repositories"].to_pylist(), strict=True)
    return with_licenses(rows, [own or repositories.licenses(names) for own, names in pairs])


def with_licenses(rows: pa.Table, licenses: Sequence[Sequence[str | None] | None]) -> pa.Table:
    """Return rows of the schema ROWS with other licenses."""
    index = rows.schema.get_field_index("licenses")
    field = rows.schema.field(index)
    return rows.set_column(index, field, pa.array(licenses, field.type))


def merge(inputs: Iterable[Pairs]) -> Repositories:
    """Return the union of the inputs; a repository with several sets of licenses has all of them.

    Memory holds arrays of 12 bytes for each repository, and one input at a time.
    """
    numbers_of_sets: dict[frozenset[str], int] = {}
    hashes, numbers = [np.empty(0, np.uint64)], [np.empty(0, np.uint32)]
    for pairs in inputs:
        hashes.append(np.fromiter(pairs, np.uint64, len(pairs)))
        sets = (numbers_of_sets.setdefault(one, len(numbers_of_sets)) for one in pairs.values())
        numbers.append(np.fromiter(sets, np.uint32, len(pairs)))
    all_hashes, all_numbers = np.concatenate(hashes), np.concatenate(numbers)
    order = np.lexsort((all_numbers, all_hashes))
    all_hashes, all_numbers = all_hashes[order], all_numbers[order]
    known, firsts, counts = np.unique(all_hashes, return_index=True, return_counts=True)
    stops = firsts + counts
    merged, sets_by_number = all_numbers[firsts], list(numbers_of_sets)
    for row in np.flatnonzero(merged != all_numbers[stops - 1]):
        several = set(all_numbers[firsts[row] : stops[row]].tolist())
        union = frozenset().union(*(sets_by_number[number] for number in several))
        merged[row] = numbers_of_sets.setdefault(union, len(numbers_of_sets))
    return Repositories(known, merged, [sorted(one) for one in numbers_of_sets])


def _read(license_columns: Mapping[str, str], url: str) -> Pairs:
    """Return the repositories of an input; an empty dict if the input cannot be read."""
    columns = [*license_columns, *license_columns.values()]
    pairs: Pairs = {}
    try:
        with parquet_input.opened(url) as file:
            if not set(columns) <= set(file.schema.names):
                return {}
            for group in range(file.row_groups):
                _add(pairs, file.read_row_group(group, columns), license_columns)
    except InputError:
        return {}
    return pairs


def _add(pairs: Pairs, table: Any, license_columns: Mapping[str, str]) -> None:
    """Add the repositories of a table: each column of names has its own column of licenses."""
    named: dict[str, set[tuple[str, ...]]] = {}
    for name_column, license_column in license_columns.items():
        names, lists = values(table[name_column]), values(table[license_column])
        for name, licenses in zip(names, lists, strict=True):
            if name and isinstance(name, str) and (strings := license_strings(licenses)):
                named.setdefault(name, set()).add(strings)
    for name, tuples in named.items():
        union = frozenset(license for strings in tuples for license in strings)
        value = repository_hash(name)
        pairs[value] = pairs.get(value, frozenset()) | union
