"""Where each shard stands in its component, and the table of its documents, read without it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from manifests.dataset.dataset import SHARD_TABLE
from manifests.errors import DataError
from manifests.io import files
from manifests.io.parquet import parse_table


@dataclass(frozen=True)
class ShardPlace:
    """A shard of a dataset.

    Attributes:
        row: its row of shards.parquet.
        number: of that row.
        first_block: of the block table.
        first_document: in its component.
        first_address: in its component's ring.
    """

    row: dict[str, Any]
    number: int
    first_block: int
    first_document: int
    first_address: int

    @property
    def component(self) -> tuple[str, bool]:
        """`source/slug`, and whether it is for validation."""
        return self.row["component"], self.row["heldout"]

    @property
    def addresses(self) -> int:
        """Tokens and ends of documents."""
        return int(self.row["tokens"] + self.row["documents"])

    @property
    def side_files(self) -> list[str]:
        """Its files, relative to the dataset: the .tar first, the .parquet last."""
        path: str = self.row["shard"]
        return [path, f"{path}.idx", path.removesuffix(".tar") + ".parquet"]


def shard_places(shards: pa.Table) -> list[ShardPlace]:
    """Return the place of every shard of a shards.parquet."""
    places, block = [], 0
    ends: dict[tuple[str, bool], tuple[int, int]] = {}
    for number, row in enumerate(shards.to_pylist()):
        key = row["component"], row["heldout"]
        place = ShardPlace(row, number, block, *ends.get(key, (0, 0)))
        ends[key] = (
            place.first_document + row["documents"],
            place.first_address + place.addresses,
        )
        block += row["blocks"]
        places.append(place)
    return places


def read_documents(
    directory: str, place: ShardPlace, columns: Sequence[str] | None = None
) -> pa.Table:
    """Return the table beside a shard, or some columns of it.

    Raises:
        DataError: it is missing, or is not the one that was written.
    """
    url = files.join(directory, place.side_files[-1])
    data = files.read_bytes(url)
    if hashlib.sha256(data).hexdigest() != place.row["table_sha256"]:
        raise DataError(f"{url}: is not the file that {SHARD_TABLE} speaks of (SHA-256)")
    return parse_table(data, columns)


def bounds(place: ShardPlace, documents: pa.Table) -> npt.NDArray[np.int64]:
    """Return where the documents of a shard start in the ring, and the last one stops: [n + 1]."""
    sizes = documents["tokens"].to_numpy().astype(np.int64) + 1
    return place.first_address + np.concatenate([[0], np.cumsum(sizes)])
