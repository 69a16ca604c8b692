"""Consecutive addresses of one component, as a reader returns them to an objective."""

from typing import Any, NamedTuple

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
