"""The installed packages: their source files, and whose they are."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path, PurePosixPath

from pipelines.demo.licenses import declared_licenses

OURSELVES = "stackpile"

SMALLEST, LARGEST = 64, 1 << 20
"""Bytes of a file that is taken; The Stack has none over 1 MiB (its card)."""

LANGUAGES = {
    ".py": ("Python", "python"),
    ".pyi": ("Python", "python"),
    ".pyx": ("Cython", "cython"),
    ".pxd": ("Cython", "cython"),
    ".c": ("C", "c"),
    ".h": ("C", "c"),
    ".cc": ("C++", "cpp"),
    ".cpp": ("C++", "cpp"),
    ".cuh": ("Cuda", "cuda"),
    ".hpp": ("C++", "cpp"),
    ".css": ("CSS", "css"),
    ".cmake": ("CMake", "cmake"),
    ".f90": ("FORTRAN", "fortran"),
    ".html": ("HTML", "html"),
    ".js": ("JavaScript", "javascript"),
    ".json": ("JSON", "json"),
    ".md": ("Markdown", "markdown"),
    ".proto": ("Protocol Buffer", "protocol-buffer"),
    ".rst": ("reStructuredText", "restructuredtext"),
    ".sh": ("Shell", "shell"),
    ".sql": ("SQL", "sql"),
    ".toml": ("TOML", "toml"),
    ".ts": ("TypeScript", "typescript"),
    ".txt": ("Text", "text"),
    ".xml": ("XML", "xml"),
    ".yaml": ("YAML", "yaml"),
    ".yml": ("YAML", "yaml"),
}
"""Suffix -> The Stack's language and its directory."""

GITHUB = re.compile(r"github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?(?:[/#?]|$)")


@dataclass(frozen=True)
class Package:
    """An installed distribution.

    Attributes:
        name: its name on PyPI, in lower case, words joined by "-".
        version: as installed.
        repository: "owner/name" on GitHub where its metadata say so, else "pypi/NAME".
        licenses: SPDX ids, flat, as The Stack lists them; empty when nobody could tell.
        readme: the description of its metadata, "" for none.
        files: its source files.
    """

    name: str
    version: str
    repository: str
    licenses: tuple[str, ...]
    readme: str
    files: tuple["SourceFile", ...]


@dataclass(frozen=True)
class SourceFile:
    """A file of a package.

    Attributes:
        path: relative to the directory of installed packages, with "/".
        place: where it lies.
        order: 64 bits of its name's hash: in this order files are taken.
    """

    path: str
    place: Path
    order: int

    @property
    def suffix(self) -> str:
        """What the language is told by."""
        return PurePosixPath(self.path).suffix

    def size(self) -> int:
        """Return its bytes; 0 for a file that is gone."""
        try:
            return self.place.stat().st_size
        except OSError:
            return 0

    def read(self) -> str | None:
        """Return its text; None for one that is gone or no UTF-8."""
        try:
            text = self.place.read_bytes().decode()
        except (OSError, UnicodeDecodeError):
            return None
        return None if "\0" in text else text


def hash64(*words: str) -> int:
    """Return 64 bits that depend on the words alone: what stands for chance in this corpus."""
    state = hashlib.blake2b("\0".join(words).encode(), digest_size=8)
    return int.from_bytes(state.digest(), "big")


def installed() -> list[Distribution]:
    """Return the distributions of this environment by name, each once, without ourselves."""
    named = {_normal(d.metadata["Name"]): d for d in reversed(list(distributions()))}
    return [d for name, d in sorted(named.items()) if name != OURSELVES]


def environment(found: Sequence[Distribution]) -> list[str]:
    """Return `name==version` of each distribution: what the corpus depends on."""
    return [f"{_normal(d.metadata['Name'])}=={d.version}" for d in found]


def package(distribution: Distribution) -> Package:
    """Return what a distribution's metadata say of it."""
    name = _normal(distribution.metadata["Name"])
    return Package(
        name=name,
        version=distribution.version,
        repository=_repository(distribution) or f"pypi/{name}",
        licenses=declared_licenses(distribution),
        readme=str(distribution.metadata.json.get("description", "")),
        files=tuple(sorted(_files(distribution, name), key=lambda file: file.path)),
    )


def choose(packages: Sequence[Package], budget: int) -> list[tuple[Package, SourceFile]]:
    """Choose files of about `budget` bytes in all, by the hash of their names.

    No package gives more than a twentieth, nor a language, but Python two thirds.
    """
    candidates = [(p, f) for p in packages for f in p.files if f.suffix in LANGUAGES]
    of_package: Counter[str] = Counter()
    of_language: Counter[str] = Counter()
    chosen = []
    for owner, file in sorted(candidates, key=lambda pair: pair[1].order):
        if of_package.total() >= budget:
            break
        language, size = LANGUAGES[file.suffix][1], file.size()
        share = 2 / 3 if language == "python" else 1 / 20
        fits = of_language[language] + size <= budget * share
        if SMALLEST <= size <= LARGEST and fits and of_package[owner.name] + size <= budget // 20:
            of_package[owner.name] += size
            of_language[language] += size
            chosen.append((owner, file))
    return chosen


def _files(distribution: Distribution, name: str) -> Iterator[SourceFile]:
    for entry in distribution.files or []:
        path = entry.as_posix()
        first = entry.parts[0]
        if first == ".." or first.endswith((".dist-info", ".egg-info")) or "__pycache__" in path:
            continue
        yield SourceFile(path, Path(str(entry.locate())), hash64(name, path))


def _repository(distribution: Distribution) -> str | None:
    urls = sorted(distribution.metadata.get_all("Project-URL") or [])
    homes = distribution.metadata.get_all("Home-page") or []
    found = (GITHUB.search(url) for url in [*urls, *homes])
    names = (match[1] for match in found if match and not match[1].startswith("sponsors/"))
    return next(names, None)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
