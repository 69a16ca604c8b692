"""What of each component of a mixture is written out: chunks of documents, epoch after epoch."""

from dataclasses import dataclass

import numpy as np

from manifests.mixture.resolve import Member, Resolved
from manifests.prng.permutation import permute
from manifests.prng.splitmix import derive

CHUNK_TOKENS = 1 << 17
"""Of a chunk, about: half a block, read in one piece; 1,000 of them are in a shard."""

LEAST_CHUNKS = 64
"""Of a component, where it has as many documents: part of an epoch is so many chunks of it."""


@dataclass(frozen=True)
class Share:
    """What of a component is written.

    Attributes:
        name: in the mixture.
        dataset: the directory that holds it.
        documents: of the component.
        chunk: documents of a chunk; its last chunk may have fewer.
        written: chunks that are written, over all epochs.
        tombstones: names of those that are obeyed.
    """

    name: str
    dataset: str
    documents: int
    chunk: int
    written: int
    tombstones: tuple[str, ...]

    @property
    def chunks(self) -> int:
        """Of one epoch."""
        return -(-self.documents // self.chunk)

    def numbers(self, drawn: int, seed: int) -> range:
        """Return the documents of the chunk that is written as number `drawn` of the component.

        Each epoch has them in another order, so a part of the last one is a sample of all.
        """
        epoch, inside = divmod(drawn, self.chunks)
        first = self.chunk * permute(inside, self.chunks, np.uint64(derive(seed, self.name, epoch)))
        return range(first, min(first + self.chunk, self.documents))


def shares(resolved: Resolved) -> list[Share]:
    """Return what is written of each member: its epochs of the mixture, to within a chunk.

    Never more of its chunks than its cap (`max_epochs`) allows.
    """
    found = []
    for member, amount in zip(resolved.members, resolved.amounts(), strict=True):
        mean = max(1.0, member.addresses / member.documents)
        most = max(1, member.documents // LEAST_CHUNKS)
        chunk = min(most, max(1, round(CHUNK_TOKENS / mean)))
        chunks = -(-member.documents // chunk)
        written = round(amount / member.addresses * chunks)
        if member.cap is not None:
            written = min(written, member.cap * chunks // member.addresses)
        found.append(_share(member, chunk, written))
    return found


def _share(member: Member, chunk: int, written: int) -> Share:
    return Share(member.name, member.dataset, member.documents, chunk, written, member.tombstones)
