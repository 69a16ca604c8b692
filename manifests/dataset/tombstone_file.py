"""The file of a tombstone: forgotten documents, and the digests of their shards."""

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
        pa.field("start", pa.int64(), nullable=False),  # first address of the document
        pa.field("stop", pa.int64(), nullable=False),  # one after its end address
        pa.field("reason", pa.string(), nullable=False),  # the entry of the request that matches it
    ]
)
"""Columns of a tombstone; rows ascend by (heldout, component, start)."""

KEY = b"stackpile"
"""Key of the Header in the Parquet metadata of a tombstone."""


class Header(Record):
    """Metadata of a tombstone."""

    version: int = VERSION
    components: dict[str, str] = Field(default_factory=dict)
    """Component -> the digest of the shards that its rows refer to."""
    heldout_components: dict[str, str] = Field(default_factory=dict)
    """The same for the shards for validation."""


@dataclass(frozen=True)
class TombstoneFile:
    """One tombstone, read."""

    url: str
    header: Header
    table: pa.Table

    def digests(self) -> dict[tuple[str, bool], str]:
        """Return (component, heldout) -> the digest of its shards."""
        heldout = self.header.heldout_components
        return {(name, False): digest for name, digest in self.header.components.items()} | {
            (name, True): digest for name, digest in heldout.items()
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


def read_tombstone(url: str, name: str) -> TombstoneFile:
    """Return a tombstone; DataError if it is missing, was edited, or is not a tombstone."""
    if not files.exists(url):
        raise DataError(f"{url}: the tombstone is missing, so its documents cannot be left out")
    data = files.read_bytes(url)
    if tombstone_name(data) != name:
        raise DataError(f"{url}: its SHA-256 is not its name: it was edited or cut")
    try:
        table = parse_table(data)
        header = Header.model_validate_json((table.schema.metadata or {}).get(KEY, b""))
    except ValidationError as error:
        raise DataError(f"{url}: is not a tombstone: {first_fault(error)}") from None
    except pa.ArrowException as error:
        raise DataError(f"{url}: is not a tombstone: {error}") from None
    if header.version > VERSION:
        raise DataError(f"{url}: has version {header.version}; this program reads up to {VERSION}")
    if not table.schema.equals(TOMBSTONE):
        raise DataError(f"{url}: is not a tombstone: its columns are {table.schema.names}")
    return TombstoneFile(url, header, table)


def tombstone_url(directory: str, name: str) -> str:
    """Return the URL of a tombstone."""
    return files.join(directory, FOLDER, name + SUFFIX)


def tombstone_name(data: bytes) -> str:
    """Return the name of a tombstone with this content."""
    return hashlib.sha256(data).hexdigest()[:32]
