"""The file of a tombstone: rows of documents, and which shards they speak of."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, ValidationError

from manifests.errors import DataError
from manifests.io import files
from manifests.io.parquet import parse_table
from manifests.lineage.receipts import Record, first_fault

FOLDER = "tombstones"
SUFFIX = ".parquet"
VERSION = 1

TOMBSTONE = pa.schema(
    [
        pa.field("component", pa.string(), nullable=False),
        pa.field("heldout", pa.bool_(), nullable=False),
        pa.field("start", pa.int64(), nullable=False),  # its first address in the component's ring
        pa.field("stop", pa.int64(), nullable=False),  # one after its end address
        pa.field("reason", pa.string(), nullable=False),  # the entry that it goes by, in words
    ]
)
"""Columns of a tombstone; rows ascend by (heldout, component, start)."""

KEY = b"stackpile"
"""Under which a tombstone's Parquet metadata holds its Header."""


class Header(Record):
    """What a tombstone says of itself."""

    version: int = VERSION
    components: dict[str, str] = Field(default_factory=dict)
    """Component -> the digest of the shards that its rows speak of."""
    heldout_components: dict[str, str] = Field(default_factory=dict)
    """The same of the shards for validation."""


@dataclass(frozen=True)
class Stone:
    """One tombstone, read."""

    url: str
    header: Header
    table: pa.Table

    def digests(self) -> dict[tuple[str, bool], str]:
        """Return (component, heldout) -> the digest of its shards."""
        held = self.header.heldout_components
        return {(name, False): digest for name, digest in self.header.components.items()} | {
            (name, True): digest for name, digest in held.items()
        }

    def rows(self, component: str, heldout: bool) -> pa.Table:
        """Return the rows of a component."""
        table = self.table
        return table.filter(
            pc.and_(pc.equal(table["component"], component), pc.equal(table["heldout"], heldout))
        )

    def ranges(self, component: str, heldout: bool) -> npt.NDArray[np.int64]:
        """Return the addresses of a component's documents: int64 [k, 2]."""
        rows = self.rows(component, heldout)
        return np.stack([rows["start"].to_numpy(), rows["stop"].to_numpy()], axis=1)


def read_stone(url: str, name: str) -> Stone:
    """Return a tombstone; DataError where it is missing, was edited, or is none."""
    if not files.exists(url):
        raise DataError(f"{url}: the tombstone is missing: what it forgot cannot be left out")
    data = files.read_bytes(url)
    if tombstone_name(data) != name:
        raise DataError(f"{url}: is not what its name says (SHA-256): it was edited or cut")
    try:
        table = parse_table(data)
        header = Header.model_validate_json((table.schema.metadata or {}).get(KEY, b""))
    except ValidationError as error:
        raise DataError(f"{url}: is not a tombstone: {first_fault(error)}") from None
    except pa.ArrowException as error:
        raise DataError(f"{url}: is not a tombstone: {error}") from None
    if header.version > VERSION:
        raise DataError(
            f"{url}: is of version {header.version}; this program reads up to {VERSION}"
        )
    if not table.schema.equals(TOMBSTONE):
        raise DataError(f"{url}: is not a tombstone: its columns are {table.schema.names}")
    return Stone(url, header, table)


def tombstone_url(directory: str, name: str) -> str:
    """Return where a tombstone lies."""
    return files.join(directory, FOLDER, name + SUFFIX)


def tombstone_name(data: bytes) -> str:
    """Return the name of a tombstone by its content."""
    return hashlib.sha256(data).hexdigest()[:32]
