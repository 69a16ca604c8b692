"""What a document filter looks at: some documents of one source."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Documents of one source, n of them.

    Attributes:
        kind: the `kind` of their source in CORPUS.toml.
        components: slug of each document's language or set, without the source.
        paths: path of each document in its repository; "" where there is none.
        texts: Arrow large_string array.
    """

    kind: str
    components: Sequence[str]
    paths: Sequence[str]
    texts: Any
    _once: dict[Callable[..., Any], Any] = field(default_factory=dict, repr=False)

    def once(self, function: Callable[["Batch"], T]) -> T:
        """Return function(self), worked out once for all the filters that need it."""
        if function not in self._once:
            self._once[function] = function(self)
        found: T = self._once[function]
        return found

    def take(self, chosen: npt.NDArray[np.bool_]) -> "Batch":
        """Return the documents of a mask (bool [n]); the batch itself where it has them all."""
        if chosen.all():
            return self
        places = np.flatnonzero(chosen).tolist()
        return Batch(
            self.kind,
            [self.components[i] for i in places],
            [self.paths[i] for i in places],
            self.texts.filter(pa.array(chosen)),
        )
