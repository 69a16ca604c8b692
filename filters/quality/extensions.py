"""Filters by extension: whether it fits the language, and whether StarCoder kept its files."""

import hashlib
import tomllib
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.resources import files as package_files
from typing import NamedTuple

import numpy as np

from filters.quality.batch import Batch, Scores

NAMES_WITH_LANGUAGE = frozenset({"CMakeLists.txt", "meson_options.txt", "requirements.txt"})
"""Names of files whose language differs from the language of their extension."""


class Rules(NamedTuple):
    """StarCoder's rules for an extension of a language (tables/extensions.toml).

    Attributes:
        keep: StarCoder kept files with the extension.
        long_lines: lines have no limit.
        symbols: the share of letters and digits has no minimum.
        alphabetic: the share of letters has a minimum.
    """

    keep: bool
    long_lines: bool = False
    symbols: bool = False
    alphabetic: bool = False


def extension_of(path: str) -> str:
    """Return the text after the last dot of a file's name, in lower case; "" without a dot."""
    name = path.rpartition("/")[2]
    return name.rpartition(".")[2].lower() if "." in name else ""


@lru_cache(maxsize=1)
def starcoder() -> Mapping[str, Mapping[str, Rules]]:
    """Return language -> extension -> StarCoder's rules."""
    return {
        language: {
            **{name: Rules(keep=False) for name in row.get("drop", ())},
            **{
                name: Rules(True, *(name in row.get(field, ()) for field in Rules._fields[1:]))
                for name in row["keep"]
            },
        }
        for language, row in _table("extensions")["languages"].items()
    }


@lru_cache(maxsize=1)
def languages() -> Mapping[str, frozenset[str]]:
    """Return extension -> the languages that have it."""
    by_extension: dict[str, set[str]] = {}
    for language, names in _table("languages")["languages"].items():
        for name in names:
            by_extension.setdefault(name, set()).add(language)
    return {name: frozenset(group) for name, group in by_extension.items()}


def rules(component: str, extension: str) -> Rules | None:
    """Return StarCoder's rules for a file, or None if its table lacks the extension."""
    return starcoder().get(component, {}).get(extension)


def language_of(component: str, path: str) -> str:
    """Return the language by which the tables know a file of a user's own corpus.

    It is the component, unless the extension belongs to other languages only: Assembly by its
    name, a file `.s` is `gas` here. Of several such languages one that StarCoder kept is returned,
    then the first by name.
    """
    name = extension_of(path)
    candidates = languages().get(name, frozenset())
    if not candidates or component in candidates or component not in _all_languages():
        return component
    return min(candidates, key=lambda other: (not _is_kept(other, name), other))


def extension(batch: Batch) -> Scores:
    """Score: 1 for extensions of a language that StarCoder kept, 0 for all other extensions.

    NaN for languages that StarCoder's table lacks and for empty paths. Default: at least 1
    (tables/extensions.toml; bigcode-dataset preprocessing/filtering.py,
    `basic_filters_per_extension`).
    """
    return _scores(batch, _is_kept)


def language(batch: Batch) -> Scores:
    """Score: 1 if a file's extension belongs to its declared language, else 0.

    NaN if no language has the extension, if the name alone gives the language (CMakeLists.txt), or
    if the component is not a language. Default: at least 1 (ours: The Stack took languages from
    the same table, tables/languages.toml, so a 0 is a file in the wrong folder or column).
    """
    scores = _scores(batch, _fits_language)
    scores[[path.rpartition("/")[2] in NAMES_WITH_LANGUAGE for path in batch.paths]] = np.nan
    return scores


def _scores(batch: Batch, score: Callable[[str, str | None], float]) -> Scores:
    """Score each document by its component and its extension, None without a path."""
    names = [extension_of(path) if path else None for path in batch.paths]
    pairs = list(zip(batch.components, names, strict=True))
    known = {pair: score(*pair) for pair in set(pairs)}
    return np.array([known[pair] for pair in pairs], np.float64)


def _is_kept(component: str, extension: str | None) -> float:
    """Return the score of `extension` for one file."""
    table = starcoder().get(component)
    if table is None or extension is None:
        return float("nan")
    return float(extension in table and table[extension].keep)


def _fits_language(component: str, extension: str | None) -> float:
    """Return the score of `language` for one file."""
    candidates = languages().get(extension) if extension else None
    if candidates is None or component not in _all_languages():
        return float("nan")
    return float(component in candidates)


@lru_cache(maxsize=1)
def _all_languages() -> frozenset[str]:
    return frozenset(_table("languages")["languages"])


def digests() -> dict[str, str]:
    """Return the SHA-256 of each of the two tables."""
    names = ("extensions", "languages")
    return {name: hashlib.sha256(_file(name)).hexdigest() for name in names}


def _table(name: str) -> dict[str, dict[str, dict[str, list[str]]]]:
    return tomllib.loads(_file(name).decode())


def _file(name: str) -> bytes:
    return package_files("filters.quality").joinpath(f"tables/{name}.toml").read_bytes()
