"""CodeGen2's decoder: GPT-J's block, in which attention and MLP read the same normalized input.

Norm epsilon 1e-5, tanh GELU and a head with a bias are those of `codegen2-1B`'s published
config.json and modeling_codegen.py.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.models.layers import Attention, Block, Decoder, DecoderDims, KVCache

EPSILON = 1e-5

MP_NUM = 4
"""Chunks of heads in the fused projection of `transformers`' CodeGenAttention."""


def _dims(layers: int, width: int, heads: int) -> DecoderDims:
    """Return dimensions with an MLP of four times the width."""
    return DecoderDims(layers=layers, width=width, heads=heads, inner=4 * width)


class CodeGen2Block(Block):
    """`x + attention(norm(x)) + mlp(norm(x))`, one norm for both."""

    def __init__(self, dims: DecoderDims, layer: int) -> None:
        """Make the block of a layer."""
        super().__init__()
        self.norm = nn.LayerNorm(dims.width, eps=EPSILON)
        self.attention = Attention(dims, layer)
        self.up = nn.Linear(dims.width, dims.inner)
        self.down = nn.Linear(dims.inner, dims.width)

    def layer(
        self, x: Tensor, rotary: Tensor, cache: KVCache | None, mask: Tensor | None
    ) -> Tensor:
        """Map the residual stream [B, L, width] to that of the next layer."""
        normed = self.norm(x)
        mlp = self.down(F.gelu(self.up(normed), approximate="tanh"))
        return cast(Tensor, x + self.attention(normed, rotary, cache, mask) + mlp)


class CodeGen2(Decoder):
    """CodeGen2 (arXiv 2305.02309)."""

    sizes: ClassVar[Mapping[str, DecoderDims]] = {
        "demo": _dims(4, 256, 4),  # ours: learns something in a minute on two cores
        "1B": _dims(16, 2048, 16),  # Salesforce/codegen2-1B config.json
        "3.7B": _dims(16, 4096, 16),  # Salesforce/codegen2-3_7B config.json
        "7B": _dims(33, 4096, 16),  # CodeGen's 6B (jaxformer config/codegen_6B_nl), 7.06e9 here
        "16B": _dims(34, 6144, 24),  # Salesforce/codegen2-16B config.json
    }
    norm_type, norm_epsilon = nn.LayerNorm, EPSILON
    head_bias = True
    max_rotary = 64
    heads_multiple = MP_NUM
    residual_outputs = ("attention.out.weight", "down.weight")
    hf_names: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "embed": ("transformer.wte",),
        "blocks.*.norm": ("transformer.h.*.ln_1",),
        "blocks.*.attention.qkv": ("transformer.h.*.attn.qkv_proj",),
        "blocks.*.attention.out": ("transformer.h.*.attn.out_proj",),
        "blocks.*.up": ("transformer.h.*.mlp.fc_in",),
        "blocks.*.down": ("transformer.h.*.mlp.fc_out",),
        "norm": ("transformer.ln_f",),
        "head": ("lm_head",),
    }

    def make_block(self, layer: int) -> Block:
        """Make the block of layer number `layer`, from 0."""
        return CodeGen2Block(self.dims, layer)

    def hf_config(self, context: int) -> dict[str, Any]:
        """Return the config.json of transformers' CodeGenForCausalLM."""
        return {
            "architectures": ["CodeGenForCausalLM"],
            "model_type": "codegen",
            "activation_function": "gelu_new",
            "attn_pdrop": 0.0,
            "embd_pdrop": 0.0,
            "resid_pdrop": 0.0,
            "layer_norm_epsilon": EPSILON,
            "n_ctx": context,
            "n_positions": context,
            "n_embd": self.dims.width,
            "n_head": self.dims.heads,
            "n_inner": self.dims.inner,
            "n_layer": self.dims.layers,
            "rotary_dim": self.rotary_dim,
            "tie_word_embeddings": False,
            "vocab_size": self.vocabulary,
        }

    def hf_layout(self, module: str, tensor: Tensor) -> Tensor:
        """Return a parameter in the row order of `transformers`: only `qkv` differs."""
        if module.endswith("attention.qkv"):
            return fuse_qkv(tensor, self.dims.heads, self.rotary_dim)
        return tensor


def fuse_qkv(qkv: Tensor, heads: int, rotary_dim: int) -> Tensor:
    """Return `qkv` [3 D, D] (queries, keys, values) in the row order of CodeGenAttention.

    CodeGenAttention cuts its fused projection into MP_NUM chunks of heads. A chunk holds the rows
    of the queries, then of the values, then of the keys. The rotary dimensions of a head are
    GPT-J's pairs (2 i, 2 i + 1) instead of our pairs (i, i + rotary_dim / 2). A wrong row order
    loads without an error and gives wrong logits.
    """
    queries, keys, values = qkv.unflatten(0, (3, heads, -1))
    pairs = torch.arange(rotary_dim).view(2, -1).T.flatten()
    order = torch.cat((pairs, torch.arange(rotary_dim, queries.shape[1])))
    chunked = [
        part.unflatten(0, (MP_NUM, -1)).flatten(1, 2)
        for part in (queries[:, order], values, keys[:, order])
    ]
    return torch.cat(chunked, dim=1).flatten(0, 1)
