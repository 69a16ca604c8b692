"""Licenses by repository, for sources that name repositories and no licenses: a sorted table.

StarCoderData has no license column, but its repositories are The Stack's. A join of 100 million
repositories would shuffle them all; a table of (hash of the repository, number of a set of
licenses), 12 bytes each, is made once from six columns of The Stack and mapped by every worker.
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

from filters.licenses.policy import license_strings
from manifests.errors import InputError
from manifests.io import files
from manifests.io.digest import short_digest
from pipelines.corpus.source_table import Source
from pipelines.sources import parquet_input
from pipelines.sources.rows import values

Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.uint32]
Pairs = dict[int, frozenset[str]]

DIRECTORY = "repositories"


@dataclass(frozen=True)
class Repositories:
    """What the repositories of a source are licensed under.

    Attributes:
        hashes: uint64 [n], ascending: `repository_hash` of each.
        numbers: uint32 [n], which of `sets` is its own.
        sets: lists of license ids, each sorted.
    """

    hashes: Hashes
    numbers: Numbers
    sets: Sequence[list[str]]

    def licenses(self, repositories: Sequence[str]) -> list[str] | None:
        """Return the licenses of a document's repositories together; None where none is known."""
        found: set[str] = set()
        for name in repositories:
            wanted = np.uint64(repository_hash(name))
            at = int(np.searchsorted(self.hashes, wanted))
            if at < len(self.hashes) and self.hashes[at] == wanted:
                found.update(self.sets[int(self.numbers[at])])
        return sorted(found) or None


def repository_hash(name: str) -> int:
    """Return 64 bits of a repository's name, in whatever case: GitHub does not tell them apart.

    At 100 million repositories a wrong answer awaits one name in 10^11.
    """
    data = hashlib.blake2b(name.lower().encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(data, "little")


def table_name(source: Source) -> str:
    """Return what changes when a source's files do: the name of the table made from them."""
    urls = files.glob(source.files)
    return short_digest([[url, files.size(url), files.version(url)] for url in urls])


def make_table(directory: str, source: Source) -> str:
    """Make the table of a source under a step's directory, unless it is there; return its URL.

    An input that cannot be read is passed over here: the source's own parts report it.
    """
    base = files.join(directory, DIRECTORY, table_name(source))
    if files.exists(files.join(base, "sets.json")):
        return base
    with ThreadPoolExecutor(files.READ_THREADS) as pool:
        read = partial(_read, source.layout.repository_licenses)
        table = merge(pool.map(read, files.glob(source.files)))
    for name, array in (("hashes", table.hashes), ("numbers", table.numbers)):
        with files.replacing(files.join(base, f"{name}.npy")) as output:
            np.save(output, array)
    # Written last: it says that the others are whole.
    files.write_json(files.join(base, "sets.json"), table.sets)
    return base


def load_table(base: str) -> Repositories:
    """Map a table; one that lies on an object store is read."""

    def array(name: str) -> Any:
        url = files.join(base, f"{name}.npy")
        if files.is_local(url):
            return np.load(files.local_path(url), mmap_mode="r")
        return np.load(io.BytesIO(files.read_bytes(url)))

    sets = json.loads(files.read_bytes(files.join(base, "sets.json")))
    return Repositories(array("hashes"), array("numbers"), sets)


def merge(inputs: Iterable[Pairs]) -> Repositories:
    """Add up what inputs say; a repository that is said to have two licenses has both.

    Only arrays of 12 bytes a repository are held of all inputs together.
    """
    known: dict[frozenset[str], int] = {}
    hashes, numbers = [np.empty(0, np.uint64)], [np.empty(0, np.uint32)]
    for pairs in inputs:
        hashes.append(np.fromiter(pairs, np.uint64, len(pairs)))
        mine = (known.setdefault(licenses, len(known)) for licenses in pairs.values())
        numbers.append(np.fromiter(mine, np.uint32, len(pairs)))
    every, which = np.concatenate(hashes), np.concatenate(numbers)
    order = np.lexsort((which, every))
    every, which = every[order], which[order]
    firsts = np.flatnonzero(np.concatenate([[True], every[1:] != every[:-1]])[: len(every)])
    lasts = np.append(firsts[1:], len(every))[: len(firsts)]
    found, by_number = which[firsts], list(known)
    for row in np.flatnonzero(which[firsts] != which[lasts - 1]):
        said = (by_number[number] for number in set(which[firsts[row] : lasts[row]].tolist()))
        both = frozenset().union(*said)
        found[row] = known.setdefault(both, len(known))
        by_number = list(known)
    return Repositories(every[firsts], found, [sorted(each) for each in known])


def _read(license_columns: Mapping[str, str], url: str) -> Pairs:
    """Return the repositories of an input; none of one that cannot be read."""
    columns = [*license_columns, *license_columns.values()]
    found: Pairs = {}
    try:
        with parquet_input.opened(url) as file:
            if not set(columns) <= set(file.schema.names):
                return {}
            for group in range(file.row_groups):
                _add(found, file.read_row_group(group, columns), license_columns)
    except InputError:
        return {}
    return found


def _add(found: Pairs, table: Any, license_columns: Mapping[str, str]) -> None:
    """Add a batch's repositories: all three of each row, each with its own list."""
    named: dict[str, set[tuple[str, ...]]] = {}
    for name_column, license_column in license_columns.items():
        names, lists = values(table[name_column]), values(table[license_column])
        for name, licenses in zip(names, lists, strict=True):
            if name and isinstance(name, str) and (said := license_strings(licenses)):
                named.setdefault(name, set()).add(said)
    for name, said_lists in named.items():
        licenses = frozenset(text for said in said_lists for text in said)
        value = repository_hash(name)
        found[value] = found.get(value, frozenset()) | licenses
