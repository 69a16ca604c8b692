"""Divide the components of a mixture into chunks of consecutive documents, for `materialize`."""

from dataclasses import dataclass

import numpy as np

from manifests.mixture.resolve import Resolved
from manifests.prng.permutation import permute
from manifests.prng.splitmix import derive_key

CHUNK_TOKENS = 1 << 17
"""About the tokens of a chunk. Ours: half a block is read at once; a shard has 1,000 chunks."""

MIN_CHUNKS = 64
"""Chunks of a component with enough documents. Ours: a part of an epoch is a sample of them."""


@dataclass(frozen=True)
class ComponentChunks:
    """The chunks of a component that are written.

    Attributes:
        name: the name of the component in the mixture.
        dataset: the directory of its dataset.
        documents: documents of the component.
        chunk: documents of a chunk; the last chunk may have fewer.
        written: chunks to write, over all epochs.
        tombstones: names of the tombstones whose documents are left out.
    """

    name: str
    dataset: str
    documents: int
    chunk: int
    written: int
    tombstones: tuple[str, ...]

    @property
    def chunks(self) -> int:
        """Chunks of one epoch."""
        return -(-self.documents // self.chunk)

    def numbers(self, drawn: int, seed: int) -> range:
        """Return the documents of the `drawn`-th chunk that is written.

        Each epoch orders the chunks anew, so a partial last epoch is a sample of all chunks.
        """
        epoch, inside = divmod(drawn, self.chunks)
        first = self.chunk * permute(
            inside, self.chunks, np.uint64(derive_key(seed, self.name, epoch))
        )
        return range(first, min(first + self.chunk, self.documents))


def component_chunks(resolved: Resolved) -> list[ComponentChunks]:
    """Return the chunks of each member of a mixture: its epochs, to within a chunk.

    The cap of a member (`max_epochs`) bounds its chunks.
    """
    chunked = []
    for member, amount in zip(resolved.members, resolved.amounts(), strict=True):
        mean = max(1.0, member.addresses / member.documents)
        largest = max(1, member.documents // MIN_CHUNKS)
        chunk = min(largest, max(1, round(CHUNK_TOKENS / mean)))
        chunks = -(-member.documents // chunk)
        written = round(amount / member.addresses * chunks)
        if member.cap is not None:
            written = min(written, member.cap * chunks // member.addresses)
        identity = (member.name, member.dataset, member.documents)
        chunked.append(ComponentChunks(*identity, chunk, written, member.tombstones))
    return chunked
