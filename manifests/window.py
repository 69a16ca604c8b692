"""What a reader gives to an objective: consecutive addresses of one component."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive addresses of a component.

    A document of n tokens occupies n + 1 addresses: its tokens, then one end address, which is
    not on disk. A window may open and close inside a document.

    Attributes:
        tokens: int64 [n], the token at each address; the control id `end` at an end address.
        ends: int64 [m], the positions in `tokens` that are end addresses, ascending.
        document: the number, within the component, of the document that holds the first address.
            The documents of the window are numbered from it without gaps (modulo the component).
        opens_inside: whether the first address is not the first one of its document.
    """

    tokens: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    document: int
    opens_inside: bool


class Component(Protocol):
    """A component as a ring of `addresses` addresses (section 7 of the design)."""

    @property
    def name(self) -> str:
        """`source/slug`."""
        ...

    @property
    def documents(self) -> int:
        """Documents, each with one end address."""
        ...

    @property
    def tokens(self) -> int:
        """Tokens on disk, end addresses not counted."""
        ...

    @property
    def addresses(self) -> int:
        """`tokens + documents`: T, the length of the ring."""
        ...

    @property
    def digest(self) -> str:
        """What changes when any shard of the component does: 64 hexadecimal characters."""
        ...

    def window(self, address: int, count: int, end: int) -> Window:
        """Return `count` addresses from `address` (0 <= address < addresses), around the ring."""
        ...

    def origin(self, document: int) -> dict[str, Any]:
        """Return the row of a document: id, source, component, repositories, path, license."""
        ...
