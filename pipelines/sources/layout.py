"""`SourceLayout`: what Stackpile knows of one kind of source.

CORPUS.toml names a layout by `kind`, and registry.LAYOUTS lists all layouts. Most layouts derive
from `ParquetLayout` (parquet_input) or `JsonLinesLayout` (jsonl_input).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

import pyarrow as pa

from filters.quality.batch import Genre
from filters.quality.scope import genre_of_component
from pipelines.sources.columns import Columns

if TYPE_CHECKING:
    from filters.licenses.policy import Finding

MAX_PART_BYTES = 256 << 20
"""Default maximum of a part: bytes of text. Ours: a worker holds a few parts in memory."""

Missing = Literal["accept", "reject"]
Header = Literal["veto", "off"]
Range = tuple[int, int | None]
"""Unit of work of a job: (start, stop) of a range of an input; (0, None) is the whole input."""


@dataclass(frozen=True)
class PartRows:
    """The rows of one part of an input.

    Attributes:
        number: number of the part in its range, from 0.
        rows: table of the schema ROWS.
        last: whether the range has no further part.
    """

    number: int
    rows: pa.Table
    last: bool


@dataclass(frozen=True)
class SourceLayout(ABC):
    """The layout of one kind of source: columns, units of work, and defaults of CORPUS.toml.

    Attributes:
        columns: map of columns; only layouts with `maps_columns` use it.
        component: component of all documents; only layouts with `maps_columns` use it.
        partition_by: columns that divide components further.
    """

    columns: Columns = field(default_factory=Columns)
    component: str | None = None
    partition_by: tuple[str, ...] = ()

    version: ClassVar[int] = 2
    """Raised when the layout reads other rows from the same input: the names of parts depend on it,
    so the jobs read the inputs again."""
    missing: ClassVar[Missing] = "reject"
    """Default of `license.missing`."""
    header: ClassVar[Header] = "veto"
    """Default of `license.header`."""
    redact: ClassVar[bool] = False
    """Default of `redact`."""
    all_filters: ClassVar[bool] = True
    """Whether filters that no publication names act by default; see `registry.settings`."""
    has_tags: ClassVar[bool] = False
    """Whether texts hold tags that columns confirm (`prefix` and `tags` of rows)."""
    partition_columns: ClassVar[frozenset[str]] = frozenset()
    """Columns that `partition_by` may name, besides the license."""
    maps_columns: ClassVar[bool] = False
    """Whether CORPUS.toml may give `columns`, `component` and columns to partition by."""
    repository_licenses: ClassVar[Mapping[str, str]] = {}
    """Column of repositories -> column of their licenses, for `license.repositories` of other
    sources; empty if the layout has no such columns."""
    repository_paths: ClassVar[Mapping[str, str]] = {}
    """Column of a repository -> column of the file's path in it, for layouts in which a repository
    has a list of licenses that package files can resolve; empty for others."""

    @abstractmethod
    def cut(self, url: str, max_bytes: int = MAX_PART_BYTES) -> list[Range]:
        """Return the ranges of an input that jobs read independently, in order.

        Raises:
            InputError: the input cannot be read or lacks a column.
        """

    @abstractmethod
    def read(
        self, url: str, path: str, unit: Range, max_bytes: int = MAX_PART_BYTES
    ) -> Iterator[PartRows]:
        """Yield the parts of a range of an input, in order.

        Args:
            url: the input.
            path: path of the input below the source's root.
            unit: a range that `cut` returned.
            max_bytes: a part ends after this number of bytes of text.

        Raises:
            InputError: the input cannot be read to its end.
        """

    @abstractmethod
    def texts(self, url: str, path: str, rows: Set[int]) -> dict[int, str | None]:
        """Return row -> text for some rows of an input, as `read` returns the texts.

        Rows are numbered from 0 in the whole input. Rows that are not in the input, or that are too
        far from its start to be found in reasonable time, are left out.

        Raises:
            InputError: the input cannot be read.
        """

    def component_of_input(self, path: str) -> str | None:
        """Return the slug of the only component of an input; None if its path does not say it."""
        return None

    def remark(self, url: str, path: str) -> str | None:
        """Return what an input lacks, as a sentence; None for nothing.

        Raises:
            InputError: the input cannot be read.
        """
        return None

    def has_header(self, component: str) -> bool:
        """Return whether texts of a component have headers that may name a license."""
        return True

    def genre(self, component: str) -> Genre:
        """Return whether the documents of a component are code or prose: filters ask for it."""
        return genre_of_component(component)

    def language(self, component: str, path: str) -> str:
        """Return the language by which filters know a document: by default its component."""
        return component

    def component_license(self, component: str) -> "Finding | None":
        """Return what the layout says about the license of a component; None for nothing."""
        return None

    def component_licenses_digest(self) -> str | None:
        """Return a digest of all that `component_license` depends on; None for nothing."""
        return None
