"""Whose files are left out because they asked: lists of owners, repositories, paths and ids.

One entry a line; blank lines and what follows "#" are skipped:

    octocat                          an owner, and all repositories
    octocat/hello-world              a repository
    octocat/hello-world/src/a.py     a file of it; with a slash at the end, a directory
    0123456789abcdef0123456789abcdef a document, by its id

Owners and repositories match in any letter case, as on GitHub. A document goes when any of its
repositories is listed: data sets name several for one text.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from manifests.errors import UsageError
from manifests.io import files
from manifests.io.digest import canonical_json

RULE = "opted_out"
"""The rule under which a rejection is counted."""

ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class OptOuts:
    """What was listed: every entry but ids in the letter case that it is compared in.

    Attributes:
        owners: lower case.
        repositories: lower case, OWNER/NAME.
        paths: OWNER/NAME in lower case, then the path as it stands.
        directories: likewise, with a slash at the end.
        ids: 16 bytes each.
    """

    owners: frozenset[str]
    repositories: frozenset[str]
    paths: frozenset[str]
    directories: frozenset[str]
    ids: frozenset[bytes]

    @property
    def digest(self) -> str:
        """Return a SHA-256 of all entries, whatever their order and number of files."""
        names = (self.owners, self.repositories, self.paths, self.directories)
        ids = sorted(entry.hex() for entry in self.ids)
        return hashlib.sha256(canonical_json([*map(sorted, names), ids])).hexdigest()

    def __or__(self, other: "OptOuts") -> "OptOuts":
        """Return the entries of both."""
        kinds = ("owners", "repositories", "paths", "directories", "ids")
        return OptOuts(*(getattr(self, kind) | getattr(other, kind) for kind in kinds))

    def words(self) -> list[str]:
        """Return every entry as `matches` words it, sorted."""
        named = [f"owner {name}" for name in self.owners]
        named += [f"repository {name}" for name in self.repositories]
        named += [f"path {name}" for name in self.paths | self.directories]
        return sorted([*named, *(f"id {id.hex()}" for id in self.ids)])

    def __len__(self) -> int:
        """Return how many entries there are."""
        names = (self.owners, self.repositories, self.paths, self.directories, self.ids)
        return sum(map(len, names))

    def matches(
        self,
        repositories: Sequence[Sequence[str | None]],
        paths: Sequence[str],
        ids: Sequence[bytes],
    ) -> list[str | None]:
        """Return the first entry by which each of n documents goes, in words; None where it stays.

        Args:
            repositories: n lists of names.
            paths: n paths in their repositories.
            ids: n ids of 16 bytes.
        """
        if not len(self):
            return [None] * len(ids)
        rows = zip(repositories, paths, ids, strict=True)
        return [next(self.entries(names, path, id), None) for names, path, id in rows]

    def entries(self, names: Sequence[str | None], path: str, id: bytes) -> Iterator[str]:
        """Yield every entry by which a document goes, in words; one may come several times."""
        if id in self.ids:
            yield f"id {id.hex()}"
        for name in filter(None, names):
            repository = name.lower()
            owner = repository.partition("/")[0]
            if owner in self.owners:
                yield f"owner {owner}"
            if repository in self.repositories:
                yield f"repository {repository}"
            place = f"{repository}/{path}"
            if place in self.paths:
                yield f"path {place}"
            if self.directories:
                yield from (f"path {above}" for above in self._directories(place))

    def _directories(self, place: str) -> Iterator[str]:
        ends = (i + 1 for i, character in enumerate(place) if character == "/")
        return (place[:end] for end in ends if place[:end] in self.directories)


def load_opt_outs(urls: Iterable[str]) -> OptOuts:
    """Read lists of opt-outs; none is no opt-out.

    Raises:
        UsageError: a file is missing or no UTF-8, or a line holds something else than one entry.
    """
    return listed(
        (f"{url}: line {number}", entry)
        for url in urls
        for number, line in enumerate(_lines(url), 1)
        if (entry := line.partition("#")[0].strip())
    )


def listed(entries: Iterable[tuple[str, str]]) -> OptOuts:
    """Return opt-outs from (place, entry) pairs; UsageError, naming the place, for a bad entry."""
    found: dict[str, set[str]] = {
        kind: set() for kind in ("owners", "repositories", "paths", "directories", "ids")
    }
    for place, entry in entries:
        kind, name = _entry(entry, place)
        found[kind].add(name)
    ids = frozenset(bytes.fromhex(name) for name in found.pop("ids"))
    return OptOuts(**{kind: frozenset(names) for kind, names in found.items()}, ids=ids)


def _lines(url: str) -> list[str]:
    try:
        with files.open_input(url) as source:
            return source.read().decode().splitlines()
    except FileNotFoundError:
        raise UsageError(f"{url}: there is no such file") from None
    except UnicodeDecodeError:
        raise UsageError(f"{url}: is not UTF-8") from None


def _entry(entry: str, place: str) -> tuple[str, str]:
    if ID.fullmatch(entry):
        return "ids", entry
    owner, _, rest = entry.partition("/")
    name, slash, path = rest.partition("/")
    if re.search(r"\s|:", f"{owner}/{name}") or not owner or (slash and not name):
        raise UsageError(
            f"{place}: {entry!r} is no owner, OWNER/NAME, OWNER/NAME/PATH or id of 32 hex digits"
        )
    repository = f"{owner}/{name}".lower()
    if not name:
        return "owners", owner.lower()
    if not path:
        return "repositories", repository
    return ("directories" if path.endswith("/") else "paths"), f"{repository}/{path}"
