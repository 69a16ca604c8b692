"""Files of shingle sets: written one row group at a time, and read one set at a time."""

import numpy as np
import pyarrow as pa

from filters.dedup.minhash import Profile, shingles
from filters.dedup.union_find import U32, Indexes
from manifests.io import files
from manifests.io.parquet import open_parquet


def write_shingle_sets(url: str, documents: str, rows: Indexes, profile: Profile) -> None:
    """Write the shingle sets of some documents of a part.

    Memory holds the needed documents of one row group at a time.

    Args:
        url: prefix of two files: `url`.u32 with the hashes, `url`.npy with int64 [k, 2], the row of
            each set and its end in hashes.
        documents: URL of documents/PART.parquet.
        rows: int64 [k], distinct, ascending.
        profile: defines the shingles.
    """
    sizes, first = [np.zeros(0, np.int64)], 0
    with (
        files.replacing(f"{url}.u32") as output,
        open_parquet(documents) as file,
    ):
        for group in range(file.row_groups):
            count = file.metadata.row_group(group).num_rows
            needed = rows[(rows >= first) & (rows < first + count)] - first
            first += count
            if len(needed):
                texts = file.read_row_group(group, columns=["text"])["text"]
                hashes, starts = shingles(texts.take(pa.array(needed)), profile)
                output.write(hashes.data)
                sizes.append(np.diff(starts))
    with files.replacing(f"{url}.npy") as output:
        index = np.column_stack([rows, np.cumsum(np.concatenate(sizes))])
        np.save(output, index, allow_pickle=False)


class ShingleSets:
    """Sets that `write_shingle_sets` wrote. The file is open until `close`."""

    def __init__(self, url: str) -> None:
        """Read the index of the sets at the prefix `url`."""
        with files.open_input(f"{url}.npy") as source:
            self._rows, self._ends = np.load(source, allow_pickle=False).T
        self._file = files.open_input(f"{url}.u32")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def read(self, row: int) -> U32:
        """Return the shingle hashes of a document, ascending, by its row in the part."""
        index = int(np.searchsorted(self._rows, row))
        start = int(self._ends[index - 1]) if index else 0
        self._file.seek(4 * start)
        return np.frombuffer(self._file.read(4 * (int(self._ends[index]) - start)), np.uint32)
