"""How license_filter's files are written: by component, and while the next part is decided."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.io import files
from manifests.lineage.receipts import Receipt

ROW_GROUP_BYTES = 32 << 20
"""Text of a row group of documents/, in bytes, at most (section 4 of the design)."""

BEHIND_BYTES = 32 << 20
"""Text of a part that is written while the next is decided, at most: both are held meanwhile. Of a
larger one the time is spent elsewhere than in waiting for the disk."""


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
    components = table["component"].to_pylist()
    sizes = table["bytes"].to_pylist()
    start = total = 0
    for row, (component, size) in enumerate(zip(components, sizes, strict=True)):
        if row > start and (component != components[start] or total + size > ROW_GROUP_BYTES):
            yield start, row
            start, total = row, 0
        total += size
    if start < len(components):
        yield start, len(components)


class Behind:
    """Writes one part at a time, in a thread: a disk is waited for six times in each part."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._pool = ThreadPoolExecutor(1)
        self._last: Future[Receipt] | None = None

    def put(self, write: Callable[[], Receipt], size: int) -> Iterator[Receipt]:
        """Let a part of `size` bytes of text be written; yield what is written by now.

        Raises:
            Whatever went wrong with the part before it.
        """
        yield from self.wait()
        if size > BEHIND_BYTES:
            yield write()
        else:
            self._last = self._pool.submit(write)

    def wait(self) -> Iterator[Receipt]:
        """Yield the receipt of the part that was still being written, if any; raises as `put`."""
        if self._last is not None:
            last, self._last = self._last, None
            yield last.result()
