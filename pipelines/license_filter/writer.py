"""Writing of documents/ and decisions/: row groups of one component, in the background."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.io import files
from manifests.ranges import ranges_within

ROW_GROUP_BYTES = 32 << 20
"""Maximum of a row group of documents/, in bytes of text. Ours: readers hold one row group."""

MAX_BACKGROUND_BYTES = 32 << 20
"""Maximum of a part that is written in the background, in bytes of text. Ours: memory holds that
part and the next one; for a larger part the wait for the disk is a small share of the time."""


def write_by_component(url: str, table: pa.Table) -> None:
    """Write a table in row groups of one component and at most ROW_GROUP_BYTES each."""
    with (
        files.replacing(url) as output,
        pq.ParquetWriter(output, table.schema, compression="zstd") as writer,
    ):
        for start, stop in _row_groups(table):
            group = table.slice(start, stop - start)
            writer.write_table(group, row_group_size=max(1, group.num_rows))


def _row_groups(table: pa.Table) -> Iterator[tuple[int, int]]:
    """Yield the row groups of a table as ranges [start, stop) of rows."""
    first = 0
    sizes = table["bytes"].to_numpy()
    for _, rows in groupby(table["component"].to_pylist()):
        after = first + len(list(rows))
        ends = np.concatenate([[0], np.cumsum(sizes[first:after])])
        for start, stop in ranges_within(ends, ROW_GROUP_BYTES):
            yield first + start, first + stop
        first = after


class BackgroundWriter:
    """Write one part at a time in a thread, because each part waits for the disk six times."""

    def __init__(self) -> None:
        """Create the thread pool."""
        self._pool = ThreadPoolExecutor(1)
        self._last: Future[object] | None = None

    def submit(self, write: Callable[[], object], size: int) -> None:
        """Wait for the previous part, then start to write the next one.

        Args:
            write: writes the part.
            size: bytes of text of the part. Above MAX_BACKGROUND_BYTES it is written at once.

        Raises:
            Exception: the exception of the previous part's `write`.
        """
        self.finish()
        if size > MAX_BACKGROUND_BYTES:
            write()
        else:
            self._last = self._pool.submit(write)

    def finish(self) -> None:
        """Wait for the part in the background; raises as `submit`."""
        last, self._last = self._last, None
        if last is not None:
            last.result()
