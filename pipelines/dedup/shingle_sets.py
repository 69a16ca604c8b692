"""Sets of shingle hashes on disk: written a row group at a time, and read back one by one."""

import numpy as np
import pyarrow as pa

from filters.dedup.minhash import Profile, shingles
from filters.dedup.union_find import U32, Indexes
from manifests.io import files
from manifests.io.parquet import open_parquet


def write_sets(url: str, documents: str, rows: Indexes, profile: Profile) -> None:
    """Write the sets of some documents of a part; in memory is what a row group has of them.

    Args:
        url: of two files, `url`.u32 with the hashes and `url`.npy with rows and ends.
        documents: URL of documents/PART.parquet.
        rows: int64 [k], ascending, each once.
        profile: what a shingle is.
    """
    sizes, first = [np.zeros(0, np.int64)], 0
    with (
        files.replacing(f"{url}.u32") as output,
        open_parquet(documents) as file,
    ):
        for group in range(file.row_groups):
            count = file.metadata.row_group(group).num_rows
            mine = rows[(rows >= first) & (rows < first + count)] - first
            first += count
            if len(mine):
                texts = file.read_row_group(group, columns=["text"])["text"]
                hashes, places = shingles(texts.take(pa.array(mine)), profile)
                output.write(hashes.data)
                sizes.append(np.diff(places))
    with files.replacing(f"{url}.npy") as output:
        index = np.column_stack([rows, np.cumsum(np.concatenate(sizes))])
        np.save(output, index, allow_pickle=False)


class Sets:
    """Sets that `write_sets` wrote, in a file that is open until `close`."""

    def __init__(self, url: str) -> None:
        """Read where each set lies."""
        with files.open_input(f"{url}.npy") as source:
            self._rows, self._ends = np.load(source, allow_pickle=False).T
        self._file = files.open_input(f"{url}.u32")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def of(self, row: int) -> U32:
        """Return the set of a document, ascending, by its row: one of those that were written."""
        place = int(np.searchsorted(self._rows, row))
        start = int(self._ends[place - 1]) if place else 0
        self._file.seek(4 * start)
        return np.frombuffer(self._file.read(4 * (int(self._ends[place]) - start)), np.uint32)
