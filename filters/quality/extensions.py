"""What a file's extension says: whether StarCoder took it, and whether it fits the language."""

import hashlib
import tomllib
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.resources import files as package_files
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from filters.quality.batch import Batch

Scores = npt.NDArray[np.float64]

TELLING = frozenset({"CMakeLists.txt", "meson_options.txt", "requirements.txt"})
"""Names of files that tell their language although their extension tells another one."""


class Rules(NamedTuple):
    """What tables/extensions.toml says of an extension of a language."""

    keep: bool
    long_lines: bool = False
    symbols: bool = False
    alphabetic: bool = False


def extension_of(path: str) -> str:
    """Return what follows the last dot of a file's name, in lower case; "" for a name without."""
    name = path.rpartition("/")[2]
    return name.rpartition(".")[2].lower() if "." in name else ""


@lru_cache(maxsize=1)
def starcoder() -> Mapping[str, Mapping[str, Rules]]:
    """Return language -> extension -> what StarCoder's table says of it."""
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
    found: dict[str, set[str]] = {}
    for language, names in _table("languages")["languages"].items():
        for name in names:
            found.setdefault(name, set()).add(language)
    return {name: frozenset(several) for name, several in found.items()}


def rules(component: str, extension: str) -> Rules | None:
    """Return what StarCoder's table says of a file; None where it says nothing."""
    return starcoder().get(component, {}).get(extension)


def extension(batch: Batch) -> Scores:
    """Score: 1 for extensions that StarCoder took of a language, 0 for others and unknown ones.

    NaN for languages that its table lacks, and where there is no path. Default: at least 1
    (tables/extensions.toml; bigcode-dataset preprocessing/filtering.py,
    `basic_filters_per_extension`).
    """
    return _scores(batch, _taken)


def language(batch: Batch) -> Scores:
    """Score: 1 where a file's extension is one of its declared language, 0 where it is not.

    NaN where no language has the extension, where the name says more than the extension
    (CMakeLists.txt), or the component is no language. Default: at least 1.
    The Stack took languages from the same table (tables/languages.toml), so a 0 is a file that
    was put into the wrong folder or column.
    """
    scores = _scores(batch, _fits)
    scores[[path.rpartition("/")[2] in TELLING for path in batch.paths]] = np.nan
    return scores


def _scores(batch: Batch, score: Callable[[str, str | None], float]) -> Scores:
    names = [extension_of(path) if path else None for path in batch.paths]
    pairs = list(zip(batch.components, names, strict=True))
    known = {pair: score(*pair) for pair in set(pairs)}
    return np.array([known[pair] for pair in pairs], np.float64)


def _taken(component: str, extension: str | None) -> float:
    table = starcoder().get(component)
    if table is None or extension is None:
        return float("nan")
    return float(extension in table and table[extension].keep)


def _fits(component: str, extension: str | None) -> float:
    having = languages().get(extension) if extension else None
    if having is None or component not in _all_languages():
        return float("nan")
    return float(component in having)


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
