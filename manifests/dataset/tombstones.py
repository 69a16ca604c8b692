"""Tombstones: the documents of a dataset that are forgotten, while their tokens stay in the shards.

Addresses never change, so a tombstone is a list of address ranges that readers leave out. Each call
of `forget` adds a file and changes no other. The union of all files is forgotten, so two calls at
once need no lock, and the same call twice gives the same file.

    DIR/tombstones/NAME.parquet    a row for each forgotten document, of the schema TOMBSTONE;
                                   NAME is the SHA-256 of the file, cut to 32 hex digits
"""

import io
from collections.abc import Collection, Mapping
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
    TombstoneFile,
    read_tombstone,
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
    """The forgotten documents of a component, each counted once.

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
        """List the tombstones; each one is read and checked when it is first used."""
        self.directory, self._manifest = directory, manifest
        self._totals = {False: manifest.components, True: manifest.heldout_components}
        names = files.list_names(files.join(directory, FOLDER))
        self.names = tuple(n.removesuffix(SUFFIX) for n in names if n.endswith(SUFFIX))
        self._files: dict[str, TombstoneFile] = {}
        self._unions: dict[tuple[str, bool, tuple[str, ...]], Ranges] = {}

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self.names)

    @cached_property
    def stale(self) -> tuple[str, ...]:
        """The names of tombstones whose shards the dataset no longer has."""
        urls = {name: tombstone_url(self.directory, name) for name in self.names}
        return tuple(n for n, url in urls.items() if self._misfit(read_tombstone(url, n)))

    def fitting(self) -> "Tombstones":
        """Return the tombstones that are not stale."""
        fitting = Tombstones(self.directory, self._manifest)
        fitting.names = tuple(name for name in self.names if name not in self.stale)
        return fitting

    @property
    def components(self) -> list[tuple[str, bool]]:
        """The (component, heldout) with forgotten documents, sorted."""
        return sorted({key for file in self._all.values() for key in file.digests()})

    def of(self, component: str, heldout: bool = False) -> tuple[str, ...]:
        """Return the names of the tombstones of a component, as a stage records them."""
        return tuple(n for n, file in self._all.items() if (component, heldout) in file.digests())

    def ranges(
        self, component: str, heldout: bool = False, names: Collection[str] | None = None
    ) -> Ranges:
        """Return the forgotten addresses of a component: int64 [k, 2], read-only.

        Each row is [start, stop), sorted, without rows that overlap or touch. The end address of
        a document is part of its range.

        Args:
            component: `source/slug`, as in the dataset.
            heldout: whether to return those of its shards for validation.
            names: of the tombstones to use (`Stage.tombstones[NAME]`); all by default.

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
        if key not in self._unions:  # the same documents are needed for each shard
            self._unions[key] = self._union_of(*key)
        return self._unions[key]

    def _union_of(self, component: str, heldout: bool, wanted: tuple[str, ...]) -> Ranges:
        """Return the documents of a component that some tombstones list."""
        parts = [self._file(name).ranges(component, heldout) for name in wanted]
        if not parts:
            return NONE
        ranges = np.unique(np.concatenate(parts), axis=0)
        if (ranges[1:, 0] < ranges[:-1, 1]).any():
            raise DataError(
                f"{files.join(self.directory, FOLDER)}: two tombstones cut {component} "
                "at different documents"
            )
        return _read_only(ranges)

    def forgotten(self, component: str, heldout: bool = False) -> Forgotten:
        """Return how much of a component is forgotten."""
        documents = self.documents(component, heldout)
        return Forgotten(len(documents), int((documents[:, 1] - documents[:, 0] - 1).sum()))

    def reasons(self, component: str, heldout: bool, address: int) -> list[str]:
        """Return the reasons of the forgotten document at an address; none without one."""
        reasons: dict[str, None] = {}
        for name in self.of(component, heldout):
            rows = self._file(name).rows(component, heldout)
            here = (rows["start"].to_numpy() <= address) & (address < rows["stop"].to_numpy())
            reasons.update(dict.fromkeys(rows["reason"].filter(pa.array(here)).to_pylist()))
        return list(reasons)

    def check(self, name: str) -> None:
        """Raise DataError if a tombstone is missing, was edited, or belongs to another dataset."""
        self._file(name)

    @cached_property
    def _all(self) -> dict[str, TombstoneFile]:
        return {name: self._file(name) for name in self.names}

    def _file(self, name: str) -> TombstoneFile:
        """Return a tombstone, read and checked at the first call."""
        if name not in self._files:
            file = read_tombstone(tombstone_url(self.directory, name), name)
            self._check(file)
            self._files[name] = file
        return self._files[name]

    def _misfit(self, file: TombstoneFile) -> str | None:
        """Return how a tombstone differs from the dataset; None if they fit."""
        for (component, heldout), digest in file.digests().items():
            totals = self._totals[heldout].get(component)
            if totals is None or totals.digest != digest:
                return (
                    f"its shards of {component} have the digest {digest[:12]}, the dataset's "
                    f"{totals.digest[:12] if totals else 'none'}"
                )
        return None

    def _check(self, file: TombstoneFile) -> None:
        """Raise DataError if a tombstone does not fit the dataset."""
        if misfit := self._misfit(file):
            raise DataError(
                f"{file.url}: belongs to another dataset: {misfit}; if the shards were made again, "
                "call `stackpile forget` again, then `stackpile clean "
                f"{self.directory} --yes` removes this tombstone"
            )
        for component, heldout in file.digests():
            totals = self._totals[heldout][component]
            starts, stops = file.ranges(component, heldout).T
            overlap = starts < np.append(0, stops[:-1])
            if (overlap | (starts >= stops) | (stops > totals.addresses)).any():
                raise DataError(f"{file.url}: its rows are not documents of {component} in order")


def joined(documents: Ranges) -> Ranges:
    """Join sorted, disjoint ranges where they touch: int64 [n, 2] -> int64 [k, 2]."""
    apart = documents[1:, 0] != documents[:-1, 1]
    edge = np.ones(min(len(documents), 1), bool)
    opens, closes = np.concatenate([edge, apart]), np.concatenate([apart, edge])
    return np.stack([documents[opens, 0], documents[closes, 1]], axis=1)


def write_tombstone(directory: str, manifest: Manifest, rows: pa.Table) -> str:
    """Add a tombstone and return its name; an equal tombstone is replaced by itself.

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
        of_kind = rows.filter(pc.equal(rows["heldout"], heldout))
        totals: Mapping[str, ComponentTotals] = getattr(manifest, field)
        names = sorted(set(of_kind["component"].to_pylist()))
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
