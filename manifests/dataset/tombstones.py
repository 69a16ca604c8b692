"""Tombstones: which documents of a dataset are forgotten, though their tokens still lie in it.

Addresses never move, so forgetting is a list of address ranges that readers leave out. Each call
of `forget` adds a file and changes none: what is forgotten is the union of all files, so two calls
at once need no lock, and the same call twice gives the same file.

    DIR/tombstones/NAME.parquet    a row for each forgotten document, of the schema TOMBSTONE;
                                   NAME is the SHA-256 of the file, cut to 32 hex digits
"""

import io
from collections.abc import Collection, Mapping
from copy import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests.dataset.tombstone_file import (
    FOLDER,
    KEY,
    SUFFIX,
    TOMBSTONE,
    Header,
    Stone,
    read_stone,
    tombstone_name,
    tombstone_url,
)
from manifests.errors import DataError
from manifests.io import files
from manifests.io.digest import canonical_json
from manifests.lineage.manifest import ComponentTotals, Manifest

Ranges = npt.NDArray[np.int64]

NONE: Ranges = np.empty((0, 2), np.int64)
NONE.setflags(write=False)


@dataclass(frozen=True)
class Forgotten:
    """What is forgotten of a component: each document once, whoever asked.

    Attributes:
        documents: their number.
        tokens: their tokens on disk.
    """

    documents: int
    tokens: int


class Tombstones:
    """The tombstones of a dataset as they stand when it is opened; later ones are not seen.

    Attributes:
        directory: the dataset's.
        names: of all tombstones, sorted.
    """

    def __init__(self, directory: str, manifest: Manifest) -> None:
        """List them; each is read, and checked, when first asked for."""
        self.directory = directory
        self._totals = {False: manifest.components, True: manifest.heldout_components}
        found = files.list_names(files.join(directory, FOLDER))
        self.names = tuple(n.removesuffix(SUFFIX) for n in found if n.endswith(SUFFIX))
        self._stones: dict[str, Stone] = {}
        self._documents: dict[tuple[str, bool, tuple[str, ...]], Ranges] = {}

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self.names)

    @cached_property
    def stale(self) -> tuple[str, ...]:
        """The names of those that speak of other shards than the dataset has now."""
        urls = {name: tombstone_url(self.directory, name) for name in self.names}
        return tuple(n for n, url in urls.items() if self._misfit(read_stone(url, n)))

    def fitting(self) -> "Tombstones":
        """Return the tombstones without those that are stale: all that `forget` can count on."""
        found = copy(self)
        found.names = tuple(name for name in self.names if name not in self.stale)
        vars(found).pop("_all", None)
        return found

    @property
    def components(self) -> list[tuple[str, bool]]:
        """The (component, heldout) of which something is forgotten, sorted."""
        return sorted({key for stone in self._all.values() for key in stone.digests()})

    def of(self, component: str, heldout: bool = False) -> tuple[str, ...]:
        """Return the names of the tombstones that speak of a component: what a stage records."""
        return tuple(n for n, stone in self._all.items() if (component, heldout) in stone.digests())

    def ranges(
        self, component: str, heldout: bool = False, names: Collection[str] | None = None
    ) -> Ranges:
        """Return the forgotten addresses of a component: int64 [k, 2], read-only.

        Each row is [start, stop): sorted, disjoint, none touching the next; no rows where nothing
        is forgotten. A document's end address is forgotten with it.

        Args:
            component: `source/slug`, as in the dataset.
            heldout: of its shards for validation.
            names: only what these tombstones say (`Stage.tombstones[NAME]`); all by default.

        Raises:
            DataError: a tombstone is missing, was edited, or is of another dataset.
        """
        return _read_only(joined(self.documents(component, heldout, names)))

    def documents(
        self, component: str, heldout: bool = False, names: Collection[str] | None = None
    ) -> Ranges:
        """Return the addresses of each forgotten document, sorted: int64 [documents, 2]."""
        wanted = self.of(component, heldout) if names is None else tuple(sorted(names))
        key = component, heldout, wanted
        if key not in self._documents:  # asked for again for each shard
            self._documents[key] = self._union(*key)
        return self._documents[key]

    def _union(self, component: str, heldout: bool, wanted: tuple[str, ...]) -> Ranges:
        parts = [self._stone(name).ranges(component, heldout) for name in wanted]
        if not parts:
            return NONE
        found = np.unique(np.concatenate(parts), axis=0)
        if (found[1:, 0] < found[:-1, 1]).any():
            raise DataError(
                f"{files.join(self.directory, FOLDER)}: two tombstones cut {component} "
                "at different documents"
            )
        return _read_only(found)

    def forgotten(self, component: str, heldout: bool = False) -> Forgotten:
        """Return how much of a component is forgotten."""
        documents = self.documents(component, heldout)
        return Forgotten(len(documents), int((documents[:, 1] - documents[:, 0] - 1).sum()))

    def reasons(self, component: str, heldout: bool, address: int) -> list[str]:
        """Return by which entries the document at an address is forgotten; none: it is not."""
        found: dict[str, None] = {}
        for name in self.of(component, heldout):
            rows = self._stone(name).rows(component, heldout)
            here = (rows["start"].to_numpy() <= address) & (address < rows["stop"].to_numpy())
            found.update(dict.fromkeys(rows["reason"].filter(pa.array(here)).to_pylist()))
        return list(found)

    def check(self, name: str) -> None:
        """Raise DataError where a tombstone is missing, was edited, or is of another dataset."""
        _ = self._stone(name)

    @cached_property
    def _all(self) -> dict[str, Stone]:
        return {name: self._stone(name) for name in self.names}

    def _stone(self, name: str) -> Stone:
        if name not in self._stones:
            stone = read_stone(tombstone_url(self.directory, name), name)
            self._check(stone)
            self._stones[name] = stone
        return self._stones[name]

    def _misfit(self, stone: Stone) -> str | None:
        """Say what a tombstone speaks of that is not here; None where it fits."""
        for (component, heldout), digest in stone.digests().items():
            totals = self._totals[heldout].get(component)
            if totals is None or totals.digest != digest:
                return (
                    f"it speaks of {component} as of shards {digest[:12]}, and here they are "
                    f"{totals.digest[:12] if totals else 'none'}"
                )
        return None

    def _check(self, stone: Stone) -> None:
        if misfit := self._misfit(stone):
            raise DataError(
                f"{stone.url}: is of another dataset: {misfit}; where shards were made anew, "
                "`stackpile forget` again what is to be forgotten, then `stackpile clean "
                f"{self.directory} --yes` takes it away"
            )
        for component, heldout in stone.digests():
            totals = self._totals[heldout][component]
            edges = np.concatenate([[0], stone.ranges(component, heldout).ravel()])
            if (np.diff(edges) < np.arange(len(edges) - 1) % 2).any() or (
                edges[-1] > totals.addresses
            ):
                raise DataError(f"{stone.url}: its rows are not documents of {component}, in order")


def joined(documents: Ranges) -> Ranges:
    """Join sorted, disjoint ranges where they touch: int64 [n, 2] -> int64 [k, 2]."""
    apart = documents[1:, 0] != documents[:-1, 1]
    edge = np.ones(min(len(documents), 1), bool)
    opens, closes = np.concatenate([edge, apart]), np.concatenate([apart, edge])
    return np.stack([documents[opens, 0], documents[closes, 1]], axis=1)


def write_tombstone(directory: str, manifest: Manifest, rows: pa.Table) -> str:
    """Add a tombstone and return its name; one that is there already is written again as it was.

    Args:
        directory: the dataset's.
        manifest: its manifest.
        rows: of the schema TOMBSTONE, in any order, each document once.
    """
    rows = rows.cast(TOMBSTONE).sort_by(
        [(name, "ascending") for name in ("heldout", "component", "start")]
    )
    digests: dict[str, Mapping[str, str]] = {}
    for field, heldout in (("components", False), ("heldout_components", True)):
        mine = rows.filter(pc.equal(rows["heldout"], heldout))
        totals: Mapping[str, ComponentTotals] = getattr(manifest, field)
        names = sorted(set(mine["component"].to_pylist()))
        digests[field] = {name: totals[name].digest for name in names}
    header = Header.model_validate(digests)
    metadata = {KEY: canonical_json(header.model_dump(mode="json"))}
    buffer = io.BytesIO()
    pq.write_table(rows.replace_schema_metadata(metadata), buffer, compression="zstd")
    name = tombstone_name(buffer.getvalue())
    files.write_bytes(tombstone_url(directory, name), buffer.getvalue())
    return name


def _read_only(ranges: Ranges) -> Ranges:
    ranges.setflags(write=False)
    return ranges
