"""Consecutive addresses of one component, as a reader returns them to an objective."""

from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt


class Window(NamedTuple):
    """Consecutive addresses of a component.

    A document of n tokens has n + 1 addresses: its tokens, then one end address, which is not on
    disk. A window may start and stop inside a document.

    Attributes:
        tokens: [n] of the dtype on disk; end addresses have no token.
        ends: int64 [m], the end addresses among the window's n + m addresses, ascending.
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
    """A component that repeats after `addresses` addresses (an epoch)."""

    name: str
    """`source/slug`."""
    documents: int
    """Documents, each with one end address."""
    tokens: int
    """Tokens on disk, end addresses not counted."""
    addresses: int
    """`tokens + documents`: T, the length of an epoch."""
    digest: str
    """Digest of the shards of the component: 64 hexadecimal characters."""
    dtype: np.dtype[Any]
    """Of the tokens on disk: uint16 or uint32."""
    is_local: bool
    """Whether all shards are files of this machine; then `ahead` does nothing."""

    def window(self, address: int, count: int, out: npt.NDArray[Any] | None = None) -> Window:
        """Return `count` addresses from `address` on; address 0 of the next epoch follows the last.

        Args:
            address: 0 <= address < addresses.
            count: number of addresses.
            out: [count or more] of `dtype` or a wider dtype. The tokens are written to its front
                and are a view of it. The default is new memory.
        """
        ...

    def ahead(self, address: int, count: int) -> None:
        """Fetch `count` addresses from `address` on in the background, if they are not local."""
        ...

    def document_at(self, address: int) -> tuple[int, bool]:
        """Return the document that holds an address, and whether the document starts before it."""
        ...

    def origin(self, document: int) -> dict[str, Any]:
        """Return the row of a document in the table beside its shard, with the shard's path."""
        ...
