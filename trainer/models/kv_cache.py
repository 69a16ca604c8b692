"""Keys and values of the tokens before, allocated once, for decoding token by token.

A row holds its tokens from slot 0 on, so rows of different lengths need no padding on the left. The
first call of a model with the cache (the prefill) writes the tokens of all rows; every later call
adds one token to each row, at the row's own next slot.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


class KVCache:
    """The cache of a batch of sequences.

    Attributes:
        lengths: int64 [rows], tokens of each row; all 0 before the prefill.
        tensors: for each layer, keys and values [2, rows, heads, slots, head].
    """

    def __init__(self, tensors: Sequence[Tensor], lengths: Tensor) -> None:
        """Make a cache of tensors; see `allocate`."""
        self.tensors, self.lengths = list(tensors), lengths
        self._rows = torch.arange(len(lengths), device=lengths.device)
        self._set_extent(0)

    @classmethod
    def allocate(
        cls,
        layers: int,
        rows: int,
        heads: int,
        slots: int,
        head_dim: int,
        *,
        device: torch.device,
        dtype: torch.dtype,
    ) -> "KVCache":
        """Return an empty cache with room for `slots` tokens in each row."""
        shape = (2, rows, heads, slots, head_dim)
        tensors = [torch.zeros(shape, device=device, dtype=dtype) for _ in range(layers)]
        return cls(tensors, torch.zeros(rows, dtype=torch.int64, device=device))

    def _set_extent(self, extent: int) -> None:
        """Note the tokens of the longest row, and whether all rows have as many."""
        self._extent = extent
        self._uniform = extent == 0 or int(self.lengths.min()) == extent

    @property
    def is_empty(self) -> bool:
        """Whether the prefill is still to come."""
        return self._extent == 0

    def set_lengths(self, lengths: Tensor) -> None:
        """End the prefill: `lengths` int64 [rows] of its tokens are no padding."""
        self.lengths = lengths
        self._set_extent(int(lengths.max()))

    def advance(self) -> None:
        """End a step: each row has one more token."""
        self.lengths = self.lengths + 1
        self._extent += 1

    def mask(self) -> Tensor | None:
        """Return which slots each row's next token attends to, its own among them.

        Returns:
            bool [rows, 1, 1, tokens], or None if each row attends to all of them.
        """
        if self._uniform:
            return None
        slots = torch.arange(self._extent + 1, device=self.lengths.device)
        return (slots <= self.lengths[:, None])[:, None, None]

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store `keys` and `values` [rows, heads, n, head]; return those to attend to.

        In the prefill these are the arguments. Later n is 1, and these are views of the cache.
        """
        cached = self.tensors[layer]
        if self.is_empty:
            length = keys.shape[2]
            cached[0, :, :, :length], cached[1, :, :, :length] = keys, values
            return keys, values
        if self._uniform:
            cached[0, :, :, self._extent] = keys[:, :, 0]
            cached[1, :, :, self._extent] = values[:, :, 0]
        else:
            cached[0, self._rows, :, self.lengths] = keys[:, :, 0]
            cached[1, self._rows, :, self.lengths] = values[:, :, 0]
        seen = cached[:, :, :, : self._extent + 1]
        return seen[0], seen[1]

    def repeated(self, copies: Tensor, slots: int) -> "KVCache":
        """Return a cache of `slots` slots in which row i is there `copies[i]` times, in order."""
        rows = torch.repeat_interleave(self._rows, copies)
        lengths = self.lengths[rows]
        made = []
        for number, cached in enumerate(self.tensors):
            _, _, heads, _, head_dim = cached.shape
            tensor = cached.new_zeros(2, len(rows), heads, slots, head_dim)
            tensor[:, :, :, : self._extent] = cached[:, rows, :, : self._extent]
            made.append(tensor)
            self.tensors[number] = cached.new_empty(0)  # free each layer as soon as it is copied
        cache = KVCache(made, lengths)
        cache.set_lengths(lengths)
        return cache

    def keep(self, rows: Tensor) -> None:
        """Keep only `rows` int64 [n], ascending; the freed memory stays with the cache."""
        lengths = self.lengths[rows]
        for number, cached in enumerate(self.tensors):
            cached[:, : len(rows), :, : self._extent] = cached[:, rows, :, : self._extent]
            self.tensors[number] = cached[:, : len(rows)]
        self._rows = self._rows[: len(rows)]
        self.set_lengths(lengths)
