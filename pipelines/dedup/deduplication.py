"""The settings of a deduplication, which all its steps share, and the receipts of its tasks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import apache_beam as beam

from filters.dedup.minhash import Profile, load_profile
from manifests.errors import DataError
from manifests.io import files
from manifests.io.digest import short_digest
from manifests.lineage.receipts import Receipt, whole_receipt, write_receipt
from pipelines.corpus.dedup_table import Dedup
from pipelines.dedup.parts import SignedPart, read_signed_parts

CLUSTERS = "clusters"
"""Folder of the clusters, and name of their step."""

EXACT = "exact"
"""Value of `verify` for exact Jaccard similarity, and folder of the similarities."""


@dataclass(frozen=True)
class Limits:
    """Sizes that bound memory. Results do not depend on them."""

    serial_row_group: int = 1 << 26
    """Bytes of a row group of documents/ above which worker threads sign one at a time. Such a row
    group holds a document of tens of megabytes and takes two to three times its size."""
    hashes_per_round: int = 8_000_000
    """Hashes that one pipeline of the in-process engine shuffles. A hash has 16 bytes and takes
    about 80 (measured with Beam 2.77 and threads as workers)."""
    min_columns: int = 4
    """Columns of hashes that one pipeline shuffles at least. Above 2 million documents memory
    therefore grows by about 350 bytes for each document (measured at 25 bands: 0.9 GB at 1 million
    documents, 4.1 GB at 10 million)."""
    hashes_per_range: int = 4_000_000
    """Hashes of a column that one task sorts: 64 MB."""
    documents_per_task: int = 4_000_000
    """Documents of clusters that one task ranks: about 1 GB."""


@dataclass(frozen=True)
class Deduplication:
    """Settings of a deduplication. Instances are pickled: tables are read where they are used."""

    directory: str
    """dedup/."""
    documents: str
    """license_filter/documents/."""
    config: Dedup
    """The table [dedup] of CORPUS.toml."""
    priorities: Mapping[str, int]
    """Source -> priority: documents of the source with the lowest number are kept."""
    digest: str
    """Step digest. It names the receipts and the folders of clusters, so deduplications of
    different parts or settings below one directory need different digests."""
    limits: Limits = Limits()

    @cached_property
    def profile(self) -> Profile:
        """The MinHash profile."""
        return load_profile(self.config.profile)

    @property
    def exact(self) -> bool:
        """Whether duplicates are verified by exact Jaccard similarity."""
        return self.config.verify == EXACT

    def parts(self) -> list[SignedPart]:
        """Read the tables of parts."""
        return read_signed_parts(self.directory, self.config.previous_corpora)

    def path(self, step: str, *names: str) -> str:
        """Return a path below the folder that a step has for this digest, relative to dedup/."""
        return "/".join([step, self._name(step), *names])

    def url(self, path: str) -> str:
        """Return the URL of a path that is relative to dedup/."""
        return files.join(self.directory, path)

    def done(self, step: str, *task: object) -> Receipt | None:
        """Return the receipt of a task if the task is done and its files are whole."""
        return whole_receipt(self.directory, self._name(step, *task))

    def require(self, step: str, *task: object) -> Receipt:
        """Return the receipt of a task.

        Raises:
            DataError: the task is not done, although the engine that ran it reported no error.
        """
        receipt = self.done(step, *task)
        if receipt is None:
            raise DataError(
                f"{self.directory}: the engine ended without an error, but {step} is not done; the "
                "same command goes on from here"
            )
        return receipt

    def save(self, step: str, *task: object, paths: Iterable[str], **fields: Any) -> Receipt:
        """Write the receipt of a task that has written the files at `paths`, and return it."""
        fields |= {"name": self._name(step, *task), "step": step, "digest": self.digest}
        return write_receipt(self.directory, paths, **fields)

    def _name(self, step: str, *task: object) -> str:
        """Return the name of the receipt of a task, or of the folder of a step."""
        return short_digest([step, self.digest, *task])


class DedupTransform(beam.PTransform):
    """Base of the transforms of a deduplication."""

    def __init__(self, dedup: Deduplication) -> None:
        """Transform by the settings `dedup`."""
        super().__init__()
        self.dedup = dedup
