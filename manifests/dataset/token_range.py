"""What a reader gives to an objective: consecutive addresses of one component."""

from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt


class Window(NamedTuple):
    """Consecutive addresses of a component.

    A document of n tokens occupies n + 1 addresses: its tokens, then one end address, which is
    not on disk. A window may open and close inside a document.

    Attributes:
        tokens: [n] of the dtype on disk, the tokens; there is none at an end address.
        ends: int64 [m], which of the window's n + m addresses are end addresses, ascending.
    """

    tokens: npt.NDArray[Any]
    ends: npt.NDArray[np.int64]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each document in the window: int64 [m], or [m + 1] where it closes inside."""
        stops = np.append(self.ends, len(self.tokens) + len(self.ends))
        lengths = np.diff(stops, prepend=-1) - 1
        return lengths if lengths[-1] or not len(self.ends) else lengths[:-1]


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

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the tokens on disk: uint16 or uint32."""
        ...

    def window(self, address: int, count: int, out: npt.NDArray[Any] | None = None) -> Window:
        """Return `count` addresses from `address` (0 <= address < addresses), around the ring.

        Its tokens are written to the front of `out`, [count or more] of `dtype` or one that holds
        it, and are a view of it; by default of new memory.
        """
        ...

    def ahead(self, address: int, count: int) -> None:
        """Have `count` addresses from `address` on at hand soon, where they lie far away."""
        ...

    @property
    def is_local(self) -> bool:
        """Whether all of it lies on this machine: then `ahead` does nothing."""
        ...

    def document_at(self, address: int) -> tuple[int, bool]:
        """Return the document that holds an address, and whether it starts before it."""
        ...

    def origin(self, document: int) -> dict[str, Any]:
        """Return the row of a document: id, source, component, repositories, path, license."""
        ...
