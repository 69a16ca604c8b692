"""What both decoders are made of: rotary positions, causal attention, a cache, the decoder itself.

Rotary dimensions are laid out as two halves (dimension i turns with i + rotary / 2). GPT-J's
checkpoints interleave them instead; the two differ by a permutation of the query and key rows,
which the export applies.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from manifests.config import Config
from trainer.models.loss import Loss, weighted_loss


class Shape(Config):
    """The dimensions of a decoder."""

    layers: int = Field(gt=0)
    """Blocks."""
    width: int = Field(gt=0)
    """Features of the residual stream, d_model."""
    heads: int = Field(gt=0)
    """Attention heads; `width` is a multiple of them."""
    inner: int = Field(gt=0)
    """Features inside the MLP."""

    @property
    def head(self) -> int:
        """Dimensions of one head."""
        return self.width // self.heads


class Cache:
    """The keys and values of the tokens seen so far, for decoding token by token."""

    def __init__(self, layers: int) -> None:
        """Start empty, for a model of so many layers."""
        self.layers: list[tuple[Tensor, Tensor] | None] = [None] * layers

    @property
    def length(self) -> int:
        """Tokens held."""
        held = self.layers[-1]
        return 0 if held is None else held[0].shape[2]

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append `keys` and `values` [B, H, n, head]; return all of them [B, H, length, head]."""
        held = self.layers[layer]
        if held is not None:
            keys, values = torch.cat((held[0], keys), 2), torch.cat((held[1], values), 2)
        self.layers[layer] = keys, values
        return keys, values


def rotary_table(start: int, length: int, rotary: int, device: torch.device) -> Tensor:
    """Return cosines and sines of positions from `start` on: float32 [2, length, 1, 1, rotary / 2].

    The base is 10000 (RoFormer, section 3.4.3; the same in GPT-J and Llama).
    """
    exponents = torch.arange(0, rotary, 2, dtype=torch.float32, device=device) / rotary
    positions = torch.arange(start, start + length, dtype=torch.float32, device=device)
    angles = torch.outer(positions, 1.0 / 10000**exponents)
    return torch.stack((angles.cos(), angles.sin()))[:, :, None, None]


def turn(features: Tensor, table: Tensor) -> Tensor:
    """Rotate the first dimensions of `features` [B, L, 2, H, head] by their positions."""
    cos, sin = table
    half = cos.shape[-1]
    first, second, rest = features.split((half, half, features.shape[-1] - 2 * half), dim=-1)
    turned = torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
    return torch.cat((turned.to(features.dtype), rest), dim=-1)


def prefix_mask(prefix: Tensor, length: int) -> Tensor:
    """Return which positions each one sees: bool [B, 1, length, length].

    Those before it and itself, and the first `prefix` int [B] positions of its row.
    """
    places = torch.arange(length, device=prefix.device)
    before = places[None, :] <= places[:, None]
    return (before | (places < prefix[:, None, None])).unsqueeze(1)


class Attention(nn.Module):
    """Causal self-attention with one fused projection (rows: queries, keys, values), no biases."""

    def __init__(self, shape: Shape, layer: int) -> None:
        """Make the projections of a layer."""
        super().__init__()
        self.shape, self.layer = shape, layer
        self.qkv = nn.Linear(shape.width, 3 * shape.width, bias=False)
        self.out = nn.Linear(shape.width, shape.width, bias=False)

    def forward(self, x: Tensor, table: Tensor, cache: Cache | None, seen: Tensor | None) -> Tensor:
        """Attend over `x` [B, L, width] and over what `cache` holds before it.

        `seen` bool [B, 1, L, L] says which positions each one sees; without it, those before it.
        """
        rows, length, width = x.shape
        split = self.qkv(x).view(rows, length, 3, self.shape.heads, self.shape.head)
        queries, keys = turn(split[:, :, :2], table).permute(2, 0, 3, 1, 4)
        values = split[:, :, 2].transpose(1, 2)
        if cache is not None:
            keys, values = cache.extend(self.layer, keys, values)
        # With a cache, either all tokens are new, or one is, and it sees every key.
        causal = seen is None and length > 1
        mixed = F.scaled_dot_product_attention(queries, keys, values, seen, is_causal=causal)
        return cast(Tensor, self.out(mixed.transpose(1, 2).reshape(rows, length, width)))


class Block(nn.Module, ABC):
    """One layer of a decoder; `recompute` drops its activations and makes them again backward."""

    def __init__(self) -> None:
        """Compute each activation once, and nothing compiled."""
        super().__init__()
        self.recompute = False
        self.body: Callable[[Tensor, Tensor, Cache | None, Tensor | None], Tensor] = self.layer

    @abstractmethod
    def layer(self, x: Tensor, table: Tensor, cache: Cache | None, seen: Tensor | None) -> Tensor:
        """Map the residual stream [B, L, width] to the next layer's."""

    def forward(
        self, x: Tensor, table: Tensor, cache: Cache | None = None, seen: Tensor | None = None
    ) -> Tensor:
        """Run the layer, from a checkpoint of its input alone where `recompute` says so."""
        if self.recompute and torch.is_grad_enabled():
            return checkpoint(self.body, x, table, cache, seen, use_reentrant=False)
        return self.body(x, table, cache, seen)


class Decoder(nn.Module, ABC):
    """Token embedding, blocks, a last norm, and an untied head."""

    sizes: ClassVar[Mapping[str, Shape]]
    """The dimensions behind each size's name."""
    max_rotary: ClassVar[int]
    """At most so many dimensions of a head turn with the position."""
    head_bias: ClassVar[bool]
    """Whether the head has a bias."""
    residual_outputs: ClassVar[tuple[str, ...]]
    """The matrices that write into the residual stream, for their initial scale."""

    def __init__(self, shape: Shape, vocabulary: int) -> None:
        """Make the layers; weights are PyTorch's until `parallel.initialize` sets them."""
        super().__init__()
        self.shape, self.vocabulary = shape, vocabulary
        self.embed = nn.Embedding(vocabulary, shape.width)
        self.blocks = nn.ModuleList(self.block(layer) for layer in range(shape.layers))
        self.norm = self.last_norm()
        self.head = nn.Linear(shape.width, vocabulary, bias=self.head_bias)

    @property
    def rotary(self) -> int:
        """Dimensions of each head that turn with the position."""
        return min(self.max_rotary, self.shape.head)

    @abstractmethod
    def block(self, layer: int) -> Block:
        """Make the block of a layer."""

    @abstractmethod
    def last_norm(self) -> nn.Module:
        """Make the norm before the head."""

    def hidden(
        self, tokens: Tensor, cache: Cache | None = None, prefix: Tensor | None = None
    ) -> Tensor:
        """Return what the head reads, [B, L, width], for `tokens` int64 [B, L].

        The first `prefix` int [B] positions of a row see each other.
        """
        start = 0 if cache is None else cache.length
        table = rotary_table(start, tokens.shape[1], self.rotary, tokens.device)
        seen = None if prefix is None else prefix_mask(prefix, tokens.shape[1])
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x, table, cache, seen)
        return cast(Tensor, self.norm(x))

    def forward(
        self,
        tokens: Tensor,
        weights: Tensor,
        z_loss: float = 0.0,
        prefix: Tensor | None = None,
    ) -> Loss:
        """Return the loss of `tokens` int64 [B, L], `weights` float32 [B, L] for predicting them.

        The first `prefix` int [B] positions of a row see each other; weights must be 0 there.
        The last position predicts nothing, so that the shapes stay multiples of what matrix units
        like.
        """
        targets = tokens.roll(-1, 1)
        shifted = weights.roll(-1, 1)
        shifted[:, -1] = 0
        hidden = self.hidden(tokens, prefix=prefix).flatten(0, 1)
        bias = self.head.bias
        return weighted_loss(
            hidden, self.head.weight, bias, targets.flatten(), shifted.flatten(), z_loss=z_loss
        )

    def logits(self, tokens: Tensor, cache: Cache | None = None, last: bool = False) -> Tensor:
        """Return the logits [B, L, vocabulary] of what follows each token (or the `last` only)."""
        hidden = self.hidden(tokens, cache)
        return cast(Tensor, self.head(hidden[:, -1:] if last else hidden))
