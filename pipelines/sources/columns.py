"""The map of columns of kinds `parquet` and `jsonl`: the table `columns` of a source."""

from manifests.config import Config


class Columns(Config):
    """Which columns (or JSON keys) of a `parquet` or `jsonl` source hold which field."""

    text: str = "text"
    """The document itself, a string. Ours: the Pile's name for it."""
    repo: str | None = None
    """The repository, a string or a list of strings."""
    path: str | None = None
    """The file's path in its repository."""
    license: str | None = None
    """SPDX ids or expressions, a string or a list of strings. A list says that all its licenses
    hold; a choice is an expression: `A OR B`, Cargo's `A/B`, Debian's `A or B`, or npm's list of
    objects with a `type`."""
    stars: str | None = None
    """A whole number; it decides which document of a cluster of duplicates is kept."""
    component: str | None = None
    """The language or set; any name that the table of components knows, or one of your own."""
