"""A directory of token shards that the tokenize job finished."""

from functools import cached_property
from itertools import groupby
from typing import Any, Self

import numpy as np

from manifests.dataset.component import Component
from manifests.dataset.shard_index import SHARD_TABLE, read_shard_table
from manifests.dataset.tombstones import Tombstones
from manifests.errors import DataError, UsageError
from manifests.io import files
from manifests.lineage.manifest import Manifest, TokenizerRecord, load_manifest
from manifests.shards import block_table
from manifests.shards.reader import FileHandlePool


class Dataset:
    """A directory that the tokenize job finished.

    Attributes:
        directory: path or URL.
        manifest: its manifest.json.
        tokenizer: the manifest's record of its tokenizer: dtype, vocabulary, control ids.
        shards: its shards.parquet, in the order of the block table.
        blocks: its block table.
        tombstones: its forgotten documents.
        handles: its open shards.
    """

    def __init__(self, directory: str) -> None:
        """Open a dataset; see `open`."""
        self.directory = directory
        self.manifest: Manifest = load_manifest(directory)
        self.tokenizer = tokenizer_of(directory, self.manifest)
        self.shards = read_shard_table(directory, self.manifest)
        self.blocks = block_table.read_blocks(files.join(directory, block_table.FILE))
        self._first_block = np.cumsum([0, *self.shards["blocks"].to_numpy()])
        if len(self.blocks) != self._first_block[-1]:
            raise DataError(
                f"{files.join(directory, block_table.FILE)}: has {len(self.blocks)} blocks; "
                f"{SHARD_TABLE} says {self._first_block[-1]}"
            )
        self.tombstones = Tombstones(directory, self.manifest)
        self.handles = FileHandlePool()
        self._components: dict[tuple[str, bool], Component] = {}

    @classmethod
    def open(cls, directory: str) -> Self:
        """Open a dataset: its manifest, shards.parquet and block table, but none of its shards.

        The rows of the block table are checked when a component is opened.

        Raises:
            DataError: one of the three files is missing, the manifest or shards.parquet was
                edited, or the block table does not have the length that shards.parquet says.
        """
        return cls(directory)

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the dataset itself."""
        return type(self), (self.directory,)

    @property
    def components(self) -> list[str]:
        """The names of the components that have shards for training, sorted."""
        return sorted(self.manifest.components)

    @property
    def heldout_components(self) -> list[str]:
        """The names of the components that have shards for validation, sorted."""
        return sorted(self.manifest.heldout_components)

    @property
    def tokenizer_path(self) -> str:
        """Path or URL of tokenizer.json."""
        return files.join(self.directory, self.tokenizer.file)

    def component(self, name: str, heldout: bool = False) -> Component:
        """Return a component; the same object each time.

        Raises:
            UsageError: the dataset has no such component.
            DataError: its shards or blocks do not add up to what manifest.json says.
        """
        if (name, heldout) not in self._components:
            known = self.manifest.heldout_components if heldout else self.manifest.components
            if name not in known:
                kind = "heldout component" if heldout else "component"
                names = ", ".join(sorted(known)) or "none"
                raise UsageError(f"{self.directory}: has no {kind} {name!r}; it has: {names}")
            self._components[name, heldout] = Component(self, name, heldout, known[name])
        return self._components[name, heldout]

    def shard_range(self, name: str, heldout: bool) -> range:
        """Return the rows of shards.parquet of a component; DataError if they are scattered."""
        runs = self._runs.get((name, heldout), [])
        if len(runs) != 1:
            raise DataError(
                f"{files.join(self.directory, SHARD_TABLE)}: the shards of {name} are not together"
            )
        return runs[0]

    @cached_property
    def _runs(self) -> dict[tuple[str, bool], list[range]]:
        """Each component's runs of rows of shards.parquet, from one pass over the rows."""
        keys = [self.shards[name].to_pylist() for name in ("component", "heldout")]
        runs: dict[tuple[str, bool], list[range]] = {}
        start = 0
        for key, rows in groupby(zip(*keys, strict=True)):
            stop = start + len(list(rows))
            runs.setdefault(key, []).append(range(start, stop))
            start = stop
        return runs

    def block_range(self, shards: range) -> range:
        """Return the rows of the block table that belong to a range of shards."""
        return range(int(self._first_block[shards.start]), int(self._first_block[shards.stop]))


def tokenizer_of(directory: str, manifest: Manifest) -> TokenizerRecord:
    """Return a manifest's record of its tokenizer; DataError if the job made no shards."""
    if manifest.step != "tokenize" or manifest.tokenizer is None:
        raise DataError(f"{directory}: is the output of {manifest.step}: it has no shards")
    return manifest.tokenizer
