"""Batches for the tests of document filters."""

from collections.abc import Sequence

import pyarrow as pa

from filters.quality.batch import Batch, Genre


def make_batch(
    texts: Sequence[str | None],
    component: str = "python",
    genre: Genre = "code",
    paths: Sequence[str] | None = None,
) -> Batch:
    """Return documents of one component, without paths by default."""
    count = len(texts)
    column = pa.array(texts, pa.large_string())
    return Batch([genre] * count, [component] * count, paths or [""] * count, column)
