"""The decoder of CodeGen and CodeGen2: GPT-J's block, whose attention and MLP read one norm.

Norm epsilon 1e-5, tanh GELU and a head with a bias are those of `codegen2-1B`'s published
config.json and modeling_codegen.py. `tests/trainer/models/configs` holds the published configs.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from manifests.errors import UsageError
from trainer.models.kv_cache import KVCache
from trainer.models.layers import Attention, Block, Decoder, DecoderDims

EPSILON = 1e-5

MP_NUM = 4
"""Chunks of heads in the fused projection of `transformers`' CodeGenAttention."""


def _dims(layers: int, width: int, heads: int, rotary: int | None = None) -> DecoderDims:
    """Return dimensions with an MLP of four times the width."""
    return DecoderDims(layers=layers, width=width, heads=heads, inner=4 * width, rotary=rotary)


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
    """CodeGen (arXiv 2203.13474: 350M, 2B, 6B, 16B) and CodeGen2 (arXiv 2305.02309: the others)."""

    sizes: ClassVar[Mapping[str, DecoderDims]] = {
        "demo": _dims(4, 256, 4),  # ours: learns something in a minute on two cores
        "350M": _dims(20, 1024, 16, rotary=32),  # Salesforce/codegen-350M-mono config.json
        "1B": _dims(16, 2048, 16),  # Salesforce/codegen2-1B_P config.json
        "2B": _dims(32, 2560, 32),  # Salesforce/codegen-2B-multi config.json
        "3.7B": _dims(16, 4096, 16),  # Salesforce/codegen2-3_7B_P config.json
        "6B": _dims(33, 4096, 16),  # Salesforce/codegen-6B-multi config.json
        "7B": _dims(32, 4096, 16),  # Katonic/codegen2-7b config.json, a copy of Salesforce's
        # Salesforce/codegen-16B-mono config.json; Katonic/codegen2-16b has the same shape.
        "16B": _dims(34, 6144, 24),
    }
    norm_type, norm_epsilon = nn.LayerNorm, EPSILON
    head_bias = True
    max_rotary = 64
    heads_multiple = MP_NUM
    residual_outputs = ("attention.out.weight", "down.weight")
    hf_model_type = "codegen"
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
            "mp_num": MP_NUM,  # ours: transformers has this number fixed
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

    @classmethod
    def from_hf_config(cls, config: Mapping[str, Any]) -> tuple[DecoderDims, int]:
        """Return dimensions and context; see `Decoder.from_hf_config`."""
        width = config["n_embd"]
        dims = DecoderDims(
            layers=config["n_layer"],
            width=width,
            heads=config["n_head"],
            inner=config.get("n_inner") or 4 * width,
            rotary=config["rotary_dim"],
        )
        return dims, config["n_positions"]

    @classmethod
    def check_dims(cls, dims: DecoderDims) -> None:
        """Raise UsageError if `transformers` cannot say these dimensions of CodeGen."""
        super().check_dims(dims)
        if dims.rotary_base != 10000 or dims.norm_epsilon not in (None, EPSILON):
            raise UsageError("CodeGen's rotary_base is 10000, and its norm_epsilon is 1e-5")

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
