"""Source files and prose of the Python packages that are installed in this environment."""

import ast
import hashlib
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution
from pathlib import Path, PurePosixPath

from filters.licenses import spdx

LANGUAGES = {
    ".c": ("C", "c"),
    ".cpp": ("C++", "cpp"),
    ".css": ("CSS", "css"),
    ".h": ("C", "c"),
    ".html": ("HTML", "html"),
    ".js": ("JavaScript", "javascript"),
    ".json": ("JSON", "json"),
    ".py": ("Python", "python"),
    ".pyi": ("Python", "python"),
    ".pyx": ("Cython", "cython"),
    ".sh": ("Shell", "shell"),
    ".ts": ("TypeScript", "typescript"),
    ".yaml": ("YAML", "yaml"),
}
"""Suffix -> The Stack's name of the language, and the directory of its files."""

CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
"""Trove classifiers that name one license. "BSD License" leaves open which one."""

MIN_BYTES, MAX_BYTES = 64, 1 << 20
"""Bytes of a file that is taken. Published: The Stack holds no file above 1 MiB (its card)."""

MIN_PROSE = 500
"""Characters of a prose document that is taken. Ours: shorter ones say little."""

GITHUB = re.compile(r"github\.com/((?!sponsors/)[\w.-]+/[\w.-]+?)(?:\.git)?(?:[/#?]|$)")


@dataclass(frozen=True)
class CodeFile:
    """A source file of a package.

    Attributes:
        path: relative to the directory of installed packages, with "/".
        repository: "owner/name" on GitHub where the metadata name it, else "pypi/NAME".
        licenses: the SPDX ids that the metadata declare; empty where they declare none.
        text: the content.
    """

    path: str
    repository: str
    licenses: tuple[str, ...]
    text: str

    @property
    def language(self) -> tuple[str, str]:
        """The Stack's name of the language, and the directory of its files."""
        return LANGUAGES[PurePosixPath(self.path).suffix]


def hash64(*words: str) -> int:
    """Return 64 bits that depend on the words alone: the corpus is sampled by them."""
    state = hashlib.blake2b("\0".join(words).encode(), digest_size=8)
    return int.from_bytes(state.digest(), "big")


@cache
def package_name(distribution: Distribution) -> str:
    """Return the normalized name of a distribution."""
    return re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()


def code_files(distributions: Sequence[Distribution], budget: int) -> list[CodeFile]:
    """Return about `budget` bytes of source files, sampled by the hash of their paths.

    No package gives more than a twentieth of the budget, and no language more than two thirds.
    """
    candidates = [(path, place, d) for d in distributions for path, place in _sources(d)]
    of_package: Counter[str] = Counter()
    of_language: Counter[str] = Counter()
    files = []
    for path, place, distribution in sorted(candidates, key=lambda item: hash64(item[0])):
        if of_package.total() >= budget:
            break
        name, text = package_name(distribution), _read(place)
        file = CodeFile(path, repository_of(distribution), declared_licenses(distribution), text)
        size, language = len(text.encode()), file.language[1]
        fits = of_package[name] + size <= budget / 20 and of_language[language] <= budget * 2 / 3
        if MIN_BYTES <= size <= MAX_BYTES and fits:
            of_package[name] += size
            of_language[language] += size
            files.append(file)
    return files


def prose(distributions: Sequence[Distribution], budget: int) -> list[tuple[str, str]]:
    """Return about `budget` bytes of prose: pairs of a set of the Pile and a text.

    A README is a web page ("Pile-CC"); the docstrings of a module explain the use of a library
    ("StackExchange").
    """
    documents: list[tuple[str, str]] = []
    for name, texts in (("Pile-CC", _readmes), ("StackExchange", _docstrings)):
        left = budget / 2
        for text in texts(distributions):
            if left <= 0:
                break
            if len(text) >= MIN_PROSE:
                documents.append((name, text))
                left -= len(text.encode())
    return sorted(documents, key=lambda document: hash64(*document))


@cache
def declared_licenses(distribution: Distribution) -> tuple[str, ...]:
    """Return the SPDX ids of the first field that names licenses, else of the classifiers."""
    for field in ("license_expression", "license"):
        tree = spdx.parse(str(distribution.metadata.json.get(field) or ""))
        if tree is not None and spdx.is_known(tree):
            return tuple(dict.fromkeys(spdx.written(license) for license in tree.get_literals()))
    classifiers = distribution.metadata.get_all("Classifier") or []
    names = [classifier.rpartition(" :: ")[2] for classifier in classifiers]
    return tuple(CLASSIFIERS[name] for name in names if name in CLASSIFIERS)


@cache
def repository_of(distribution: Distribution) -> str:
    """Return the GitHub repository of a distribution's metadata, or "pypi/NAME"."""
    urls = sorted(distribution.metadata.get_all("Project-URL") or [])
    urls += distribution.metadata.get_all("Home-page") or []
    names = [match[1] for url in urls if (match := GITHUB.search(url))]
    return names[0] if names else f"pypi/{package_name(distribution)}"


def _sources(distribution: Distribution) -> Iterator[tuple[str, Path]]:
    """Yield the path of each source file of a distribution, and where the file lies."""
    for entry in distribution.files or []:
        in_package = not entry.parts[0].startswith("..") and ".dist-info" not in entry.parts[0]
        if in_package and entry.suffix in LANGUAGES:
            yield entry.as_posix(), Path(str(entry.locate()))


def _read(place: Path) -> str:
    """Return the text of a file; "" for a file that is missing, too large or not UTF-8."""
    try:
        return place.read_bytes().decode() if place.stat().st_size <= MAX_BYTES else ""
    except (OSError, UnicodeDecodeError):
        return ""


def _readmes(distributions: Sequence[Distribution]) -> Iterator[str]:
    for distribution in sorted(distributions, key=lambda d: hash64("readme", package_name(d))):
        yield str(distribution.metadata.json.get("description", "")).strip()


def _docstrings(distributions: Sequence[Distribution]) -> Iterator[str]:
    """Yield the docstrings of each module, its functions, classes and methods as one text."""
    sources = [source for d in distributions for source in _sources(d)]
    for _, place in sorted(sources, key=lambda source: hash64("docstrings", source[0])):
        text = _read(place) if place.suffix == ".py" else ""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            continue
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        nodes = [tree, *tree.body, *(node for owner in classes for node in owner.body)]
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
        docstrings = [ast.get_docstring(node) for node in nodes if isinstance(node, kinds)]
        yield "\n\n".join(docstring for docstring in docstrings if docstring)
