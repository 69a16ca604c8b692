"""Opt-outs: lists of owners, repositories, paths and ids whose documents are left out.

A list has one entry a line. Blank lines are skipped, and so are comments, which start with "#" at
the start of a line or after a space:

    octocat                          an owner: all repositories of the owner
    octocat/hello-world              a repository
    octocat/hello-world/src/a.py     a file of it; with a slash at the end, a directory
    0123456789abcdef0123456789abcdef a document, by its id

Owners and repositories match in any letter case, as on GitHub. A document is left out if any of its
repositories is listed: data sets name several repositories for one text.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import accumulate
from operator import or_
from typing import Any

from manifests.errors import UsageError
from manifests.io import files
from manifests.io.digest import canonical_json

RULE = "opted_out"
"""Name of the rule in counts of rejections."""

ID = re.compile("[0-9a-f]{32}")

COMMENT = re.compile(r"(?:^|\s)#")
"""Start of a comment. Paths may hold "#": directories named C# and F# are common."""


@dataclass(frozen=True)
class OptOuts:
    """The entries of lists.

    Attributes:
        owners: names in lower case.
        repositories: OWNER/NAME in lower case.
        paths: OWNER/NAME in lower case, then the path with its letter case.
        directories: as `paths`, with a slash at the end.
        ids: ids of documents, 16 bytes each.
    """

    owners: frozenset[str]
    repositories: frozenset[str]
    paths: frozenset[str]
    directories: frozenset[str]
    ids: frozenset[bytes]

    @property
    def digest(self) -> str:
        """Return a SHA-256 of all entries, independent of their order and of files."""
        *names, ids = map(sorted, self._kinds())
        hexadecimal = [id.hex() for id in ids]
        return hashlib.sha256(canonical_json([*names, hexadecimal])).hexdigest()

    def __or__(self, other: "OptOuts") -> "OptOuts":
        """Return the entries of both."""
        return OptOuts(*map(or_, self._kinds(), other._kinds()))

    def describe(self) -> list[str]:
        """Return the description of every entry, as in `matches`, sorted."""
        named = [f"owner {name}" for name in self.owners]
        named += [f"repository {name}" for name in self.repositories]
        named += [f"path {name}" for name in self.paths | self.directories]
        return sorted([*named, *(f"id {id.hex()}" for id in self.ids)])

    def __len__(self) -> int:
        """Return how many entries there are."""
        return sum(map(len, self._kinds()))

    def _kinds(self) -> list[frozenset[Any]]:
        """Return the sets of entries, in the order of the fields."""
        return [getattr(self, field.name) for field in fields(self)]

    def matches(
        self,
        repositories: Sequence[Sequence[str | None]],
        paths: Sequence[str],
        ids: Sequence[bytes],
    ) -> list[str | None]:
        """Return for each of n documents the first entry that matches, as text, or None.

        Args:
            repositories: n lists of names.
            paths: n paths in the repositories.
            ids: n ids of 16 bytes.
        """
        if not len(self):
            return [None] * len(ids)
        rows = zip(repositories, paths, ids, strict=True)
        return [next(self.entries(names, path, id), None) for names, path, id in rows]

    def entries(self, names: Sequence[str | None], path: str, id: bytes) -> Iterator[str]:
        """Yield every entry that matches a document, as text; entries may repeat."""
        if id in self.ids:
            yield f"id {id.hex()}"
        for name in filter(None, names):
            repository = name.lower()
            owner = repository.partition("/")[0]
            if owner in self.owners:
                yield f"owner {owner}"
            if repository in self.repositories:
                yield f"repository {repository}"
            full_path = f"{repository}/{path}"
            if full_path in self.paths:
                yield f"path {full_path}"
            if self.directories:
                parents = accumulate(re.findall(".*?/", full_path, re.DOTALL))
                yield from (f"path {parent}" for parent in parents if parent in self.directories)


def load_opt_outs(urls: Iterable[str]) -> OptOuts:
    """Read lists of opt-outs.

    Raises:
        UsageError: a file is missing or not UTF-8, or a line is not one entry.
    """
    return parse_opt_outs(
        (f"{url}: line {number}", entry)
        for url in urls
        for number, line in enumerate(_lines(url), 1)
        if (entry := COMMENT.split(line, maxsplit=1)[0].strip())
    )


def parse_opt_outs(entries: Iterable[tuple[str, str]]) -> OptOuts:
    """Parse (place, entry) pairs; UsageError, naming the place, for a bad entry."""
    by_kind: dict[str, set[Any]] = {field.name: set() for field in fields(OptOuts)}
    for place, entry in entries:
        kind, name = _entry(entry, place)
        by_kind[kind].add(name)
    return OptOuts(*map(frozenset, by_kind.values()))


def _lines(url: str) -> list[str]:
    """Return the lines of a list."""
    try:
        with files.open_input(url) as source:
            return source.read().decode().splitlines()
    except FileNotFoundError:
        raise UsageError(f"{url}: there is no such file") from None
    except UnicodeDecodeError:
        raise UsageError(f"{url}: is not UTF-8") from None


def _entry(entry: str, place: str) -> tuple[str, str | bytes]:
    """Return the kind of an entry and its name in the letter case of comparisons."""
    if ID.fullmatch(entry):
        return "ids", bytes.fromhex(entry)
    owner, _, rest = entry.partition("/")
    name, slash, path = rest.partition("/")
    if re.search(r"[\s:#]", f"{owner}/{name}") or not owner or (slash and not name):
        raise UsageError(
            f"{place}: {entry!r} is not an owner, OWNER/NAME, OWNER/NAME/PATH or id (32 hex digits)"
        )
    repository = f"{owner}/{name}".lower()
    if not name:
        return "owners", owner.lower()
    if not path:
        return "repositories", repository
    return ("directories" if path.endswith("/") else "paths"), f"{repository}/{path}"
