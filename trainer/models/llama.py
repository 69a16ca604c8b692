"""CodeGen2.5's decoder: Llama, as `Salesforce/codegen25-7b-multi` publishes it.

RMSNorm epsilon 1e-6, SiLU, rotary over the whole head and no biases are those of its config.json.
"""

from collections.abc import Mapping
from typing import ClassVar, cast

import torch.nn.functional as F
from torch import Tensor, nn

from trainer.models.layers import Attention, Block, Cache, Decoder, Shape

EPSILON = 1e-6


def _shape(layers: int, width: int, heads: int, inner: int) -> Shape:
    return Shape(layers=layers, width=width, heads=heads, inner=inner)


class LlamaBlock(Block):
    """Attention, then a gated MLP, each behind its own norm."""

    def __init__(self, shape: Shape, layer: int) -> None:
        """Make the block of a layer."""
        super().__init__()
        self.attention_norm = nn.RMSNorm(shape.width, eps=EPSILON)
        self.attention = Attention(shape, layer)
        self.mlp_norm = nn.RMSNorm(shape.width, eps=EPSILON)
        self.gate = nn.Linear(shape.width, shape.inner, bias=False)
        self.up = nn.Linear(shape.width, shape.inner, bias=False)
        self.down = nn.Linear(shape.inner, shape.width, bias=False)

    def layer(self, x: Tensor, table: Tensor, cache: Cache | None, seen: Tensor | None) -> Tensor:
        """Map the residual stream [B, L, width] to the next layer's."""
        x = x + self.attention(self.attention_norm(x), table, cache, seen)
        normed = self.mlp_norm(x)
        return cast(Tensor, x + self.down(F.silu(self.gate(normed)) * self.up(normed)))


class Llama(Decoder):
    """CodeGen2.5's architecture."""

    sizes: ClassVar[Mapping[str, Shape]] = {
        "demo": _shape(4, 256, 4, 768),  # ours
        "7B": _shape(32, 4096, 32, 11008),  # Salesforce/codegen25-7b-multi config.json
    }
    head_bias = False
    max_rotary = 1 << 30
    residual_outputs = ("attention.out.weight", "down.weight")

    def block(self, layer: int) -> Block:
        """Make the block of a layer."""
        return LlamaBlock(self.shape, layer)

    def last_norm(self) -> nn.Module:
        """Make the norm before the head."""
        return nn.RMSNorm(self.shape.width, eps=EPSILON)
