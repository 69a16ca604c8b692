"""CodeGen2's decoder: GPT-J's block, in which attention and MLP read one norm side by side.

Norm epsilon 1e-5, tanh GELU and a head with a bias are those of `codegen2-1B`'s published
config.json and modeling_codegen.py.
"""

from collections.abc import Mapping
from typing import ClassVar, cast

import torch.nn.functional as F
from torch import Tensor, nn

from trainer.models.layers import Attention, Block, Cache, Decoder, Shape

EPSILON = 1e-5


def _shape(layers: int, width: int, heads: int) -> Shape:
    return Shape(layers=layers, width=width, heads=heads, inner=4 * width)


class CodeGen2Block(Block):
    """`x + attention(norm(x)) + mlp(norm(x))`, one norm for both."""

    def __init__(self, shape: Shape, layer: int) -> None:
        """Make the block of a layer."""
        super().__init__()
        self.norm = nn.LayerNorm(shape.width, eps=EPSILON)
        self.attention = Attention(shape, layer)
        self.up = nn.Linear(shape.width, shape.inner)
        self.down = nn.Linear(shape.inner, shape.width)

    def layer(self, x: Tensor, table: Tensor, cache: Cache | None, seen: Tensor | None) -> Tensor:
        """Map the residual stream [B, L, width] to the next layer's."""
        normed = self.norm(x)
        mlp = self.down(F.gelu(self.up(normed), approximate="tanh"))
        return cast(Tensor, x + self.attention(normed, table, cache, seen) + mlp)


class CodeGen2(Decoder):
    """CodeGen2 (arXiv 2305.02309)."""

    sizes: ClassVar[Mapping[str, Shape]] = {
        "demo": _shape(4, 256, 4),  # ours: a minute on two cores shows it learn
        "1B": _shape(16, 2048, 16),  # Salesforce/codegen2-1B config.json
        "3.7B": _shape(16, 4096, 16),  # Salesforce/codegen2-3_7B config.json
        "7B": _shape(33, 4096, 16),  # CodeGen's 6B (jaxformer config/codegen_6B_nl), 7.06e9 here
        "16B": _shape(34, 6144, 24),  # Salesforce/codegen2-16B config.json
    }
    head_bias = True
    max_rotary = 64
    residual_outputs = ("attention.out.weight", "down.weight")

    def block(self, layer: int) -> Block:
        """Make the block of a layer."""
        return CodeGen2Block(self.shape, layer)

    def last_norm(self) -> nn.Module:
        """Make the norm before the head."""
        return nn.LayerNorm(self.shape.width, eps=EPSILON)
