"""Choices of licenses that package files of a corpus state, by repository.

A list of licenses cannot say OR; package.json, Cargo.toml and others can. Package files are rows of
the languages JSON, TOML and INI. Before the job, the inputs of these languages are read once, and a
table like that of repository_licenses is written: each repository whose root has a package file
that states a choice, with the statements of all its package files. See filters.licenses.
package_files for what a choice changes.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from filters.licenses.package_files import (
    is_choice,
    is_package_file,
    stated_license,
    with_choices,
)
from manifests.errors import InputError
from manifests.io import files
from pipelines.corpus.source_table import Source
from pipelines.license_filter.repository_licenses import (
    Pairs,
    Repositories,
    merge,
    repository_hash,
    save_table,
    table_name,
    with_licenses,
)
from pipelines.runtime import progress
from pipelines.sources import parquet_input
from pipelines.sources.rows import text_column, values

DIRECTORY = "packages"

COMPONENTS = frozenset({"json", "toml", "ini"})
"""Components whose inputs hold package files."""

BELOW = "*/"
"""Start of a statement of a package file that is not in the root of its repository."""


def package_inputs(source: Source) -> list[str]:
    """Return the inputs of a source that may hold package files, whatever components it chooses."""
    if not source.layout.repository_paths:
        return []
    urls = files.glob(source.files)
    return [url for url in urls if source.layout.component_of_input(url) in {None, *COMPONENTS}]


def make_table(directory: str, source: Source) -> str | None:
    """Write the table of a source below a step's directory unless it exists, and return its URL.

    Returns None if no input may hold package files. An input that cannot be read is left out; the
    parts of the source report it.
    """
    urls = package_inputs(source)
    if not urls:
        return None
    base = files.join(directory, DIRECTORY, table_name(urls))
    if not files.exists(files.join(base, "sets.json")):
        with ThreadPoolExecutor(files.READ_THREADS) as pool:
            read = partial(_read, source.layout.repository_paths)
            pairs = progress.inputs(pool.map(read, urls), "package files", len(urls))
            save_table(base, _with_choice(merge(pairs)))
    return base


def add_choices(rows: pa.Table, packages: Repositories) -> pa.Table:
    """Return rows of the schema ROWS with the choices that their repositories state."""
    if not len(packages.hashes):
        return rows
    pairs = zip(rows["licenses"].to_pylist(), rows["repositories"].to_pylist(), strict=True)
    return with_licenses(rows, [_resolved(packages, own, names) for own, names in pairs])


def _resolved(
    packages: Repositories, licenses: Sequence[str | None] | None, repositories: Sequence[str]
) -> Sequence[str | None] | None:
    """Return the licenses of a row; all its repositories must state a choice."""
    known = [license for license in licenses or () if license]
    if len(known) < 2:
        return licenses
    sets = packages.known_sets(repositories)
    if not sets or len(sets) < len(repositories):
        return licenses
    statements = sorted(set().union(*sets))
    root = [text for text in statements if not text.startswith(BELOW)]
    below = [text.removeprefix(BELOW) for text in statements if text.startswith(BELOW)]
    return with_choices(known, root, below)


def _with_choice(table: Repositories) -> Repositories:
    """Return the repositories of which a package file in the root states a choice."""
    has_choice = [
        any(not text.startswith(BELOW) and is_choice(text) for text in statements)
        for statements in table.sets
    ]
    rows = np.array(has_choice, bool)[table.numbers]
    used, numbers = np.unique(table.numbers[rows], return_inverse=True)
    sets = [table.sets[number] for number in used]
    return Repositories(table.hashes[rows], numbers.astype(np.uint32), sets)


def _read(paths: Mapping[str, str], url: str) -> Pairs:
    """Return the statements of the package files of an input by repository."""
    pairs: Pairs = {}
    try:
        with parquet_input.opened(url) as file:
            names = file.schema.names
            paths = {name: path for name, path in paths.items() if {name, path} <= set(names)}
            for group in range(file.row_groups):
                _add(pairs, paths, file, group)
    except InputError:
        return {}
    return pairs


def _add(pairs: Pairs, paths: Mapping[str, str], file: Any, group: int) -> None:
    """Add the statements of a row group, whose texts are read if it has a package file."""
    columns = list(dict.fromkeys([*paths.values(), *paths]))
    table = file.read_row_group(group, columns)
    lists = {name: values(table[name]) for name in columns}
    rows = [
        row
        for row in range(table.num_rows)
        if any(is_package_file(lists[path][row]) for path in paths.values())
    ]
    if not rows:
        return
    texts, _ = text_column(file.read_row_group(group, ["content"])["content"].take(rows))
    for row, text in zip(rows, texts.to_pylist(), strict=True):
        for name_column, path_column in paths.items():
            name, path = lists[name_column][row], lists[path_column][row]
            stated = stated_license(path, text) if name and path and text else None
            if stated is not None:
                value = repository_hash(name)
                # Paths of The Stack v2 start with a slash.
                statement = f"{BELOW}{stated}" if "/" in path.lstrip("/") else stated
                pairs[value] = pairs.get(value, frozenset()) | {statement}
