"""What a document filter looks at: some documents of one source."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
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
