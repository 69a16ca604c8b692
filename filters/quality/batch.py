"""The input of a document filter: a batch of documents of one source."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

T = TypeVar("T")

Scores = npt.NDArray[np.float64]
"""A score of each document of a batch: float64 [n]."""

Genre = Literal["code", "prose"]
"""Whether a document is source code or prose: published limits hold for one of the two."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """n documents of one source.

    Attributes:
        genres: genre of each document; the layout of the source decides it by component.
        components: slug of each document's language or set, without the source.
        paths: path of each document in its repository; "" if the document has none.
        texts: Arrow large_string array [n].
    """

    genres: Sequence[Genre]
    components: Sequence[str]
    paths: Sequence[str]
    texts: Any
    _once: dict[Callable[..., Any], Any] = field(default_factory=dict, repr=False)

    def once(self, function: Callable[["Batch"], T]) -> T:
        """Return function(self), computed at the first call and shared by all filters."""
        if function not in self._once:
            self._once[function] = function(self)
        result: T = self._once[function]
        return result

    def take(self, mask: npt.NDArray[np.bool_]) -> "Batch":
        """Return the documents of a mask (bool [n]); the batch itself if the mask is all true."""
        if mask.all():
            return self
        rows = np.flatnonzero(mask).tolist()
        return Batch(
            [self.genres[row] for row in rows],
            [self.components[row] for row in rows],
            [self.paths[row] for row in rows],
            self.texts.filter(pa.array(mask)),
        )
