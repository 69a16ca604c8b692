"""A small component in memory, and the plan of a run over it."""

from typing import Any

import numpy as np
import pytest

from manifests.window import Window


class MemoryComponent:
    """A component whose documents are given."""

    def __init__(self, name: str, documents: list[list[int]]) -> None:
        self.name = name
        self.texts = documents
        self.documents = len(documents)
        self.tokens = sum(map(len, documents))
        self.addresses = self.tokens + self.documents
        self.digest = f"{self.addresses:064x}"

    def window(self, address: int, count: int, end: int) -> Window:
        ring = np.concatenate([np.array([*text, end]) for text in self.texts])
        ends = np.cumsum([len(text) + 1 for text in self.texts]) - 1
        where = (address + np.arange(count)) % self.addresses
        return Window(
            tokens=ring[where].astype(np.int64),
            ends=np.flatnonzero(np.isin(where, ends)),
            document=int(np.searchsorted(ends, address)),
            opens_inside=bool(address and address - 1 not in ends),
        )

    def origin(self, document: int) -> dict[str, Any]:
        return {"component": self.name, "path": f"{document}.py"}


@pytest.fixture
def component() -> MemoryComponent:
    numbers = np.random.default_rng(7)
    texts = [numbers.integers(0, 80, size).tolist() for size in (30, 0, 1, 200, 2, 75)]
    return MemoryComponent("memory/python", texts)
