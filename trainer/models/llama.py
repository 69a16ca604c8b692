"""CodeGen2.5's decoder: Llama, as `Salesforce/codegen25-7b-multi` publishes it.

RMSNorm epsilon 1e-6, SiLU, rotary positions over the whole head and no biases are those of its
config.json.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import torch.nn.functional as F
from torch import Tensor, nn

from manifests.errors import UsageError
from trainer.models.kv_cache import KVCache
from trainer.models.layers import Attention, Block, Decoder, DecoderDims

EPSILON = 1e-6


class LlamaBlock(Block):
    """Attention, then a gated MLP, each with its own norm."""

    def __init__(self, dims: DecoderDims, layer: int) -> None:
        """Make the block of a layer."""
        super().__init__()
        epsilon = dims.norm_epsilon or EPSILON
        self.attention_norm = nn.RMSNorm(dims.width, eps=epsilon)
        self.attention = Attention(dims, layer)
        self.mlp_norm = nn.RMSNorm(dims.width, eps=epsilon)
        self.gate = nn.Linear(dims.width, dims.inner, bias=False)
        self.up = nn.Linear(dims.width, dims.inner, bias=False)
        self.down = nn.Linear(dims.inner, dims.width, bias=False)

    def layer(
        self, x: Tensor, rotary: Tensor, cache: KVCache | None, mask: Tensor | None
    ) -> Tensor:
        """Map the residual stream [B, L, width] to that of the next layer."""
        x = x + self.attention(self.attention_norm(x), rotary, cache, mask)
        normed = self.mlp_norm(x)
        return cast(Tensor, x + self.down(F.silu(self.gate(normed)) * self.up(normed)))


class Llama(Decoder):
    """CodeGen2.5's architecture."""

    sizes: ClassVar[Mapping[str, DecoderDims]] = {
        "demo": DecoderDims(layers=4, width=256, heads=4, inner=768),  # ours
        # Salesforce/codegen25-7b-multi_P config.json
        "7B": DecoderDims(layers=32, width=4096, heads=32, inner=11008),
    }
    norm_type, norm_epsilon = nn.RMSNorm, EPSILON
    residual_outputs = ("attention.out.weight", "down.weight")
    hf_model_type = "llama"
    hf_names: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "embed": ("model.embed_tokens",),
        "blocks.*.attention_norm": ("model.layers.*.input_layernorm",),
        "blocks.*.attention.qkv": (
            "model.layers.*.self_attn.q_proj",
            "model.layers.*.self_attn.k_proj",
            "model.layers.*.self_attn.v_proj",
        ),
        "blocks.*.attention.out": ("model.layers.*.self_attn.o_proj",),
        "blocks.*.mlp_norm": ("model.layers.*.post_attention_layernorm",),
        "blocks.*.gate": ("model.layers.*.mlp.gate_proj",),
        "blocks.*.up": ("model.layers.*.mlp.up_proj",),
        "blocks.*.down": ("model.layers.*.mlp.down_proj",),
        "norm": ("model.norm",),
        "head": ("lm_head",),
    }

    def make_block(self, layer: int) -> Block:
        """Make the block of layer number `layer`, from 0."""
        return LlamaBlock(self.dims, layer)

    def hf_config(self, context: int) -> dict[str, Any]:
        """Return the config.json of transformers' LlamaForCausalLM."""
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "attention_bias": False,
            "hidden_act": "silu",
            "hidden_size": self.dims.width,
            "intermediate_size": self.dims.inner,
            "max_position_embeddings": context,
            "mlp_bias": False,
            "num_attention_heads": self.dims.heads,
            "num_hidden_layers": self.dims.layers,
            "num_key_value_heads": self.dims.heads,
            "rms_norm_eps": self.epsilon,
            "rope_parameters": {"rope_theta": self.dims.rotary_base, "rope_type": "default"},
            "rope_theta": self.dims.rotary_base,
            "tie_word_embeddings": False,
            "vocab_size": self.vocabulary,
        }

    @classmethod
    def from_hf_config(cls, config: Mapping[str, Any]) -> tuple[DecoderDims, int]:
        """Return dimensions and context; see `Decoder.from_hf_config`."""
        heads, rope = config["num_attention_heads"], config.get("rope_parameters") or {}
        if config.get("num_key_value_heads") not in (None, heads):
            raise UsageError("num_key_value_heads must be num_attention_heads")
        if config.get("rope_scaling") or rope.get("rope_type", "default") != "default":
            raise UsageError("scaled rotary positions are not supported")
        if config.get("head_dim") not in (None, config["hidden_size"] // heads):
            raise UsageError("head_dim must be hidden_size / num_attention_heads")
        dims = DecoderDims(
            layers=config["num_hidden_layers"],
            width=config["hidden_size"],
            heads=heads,
            inner=config["intermediate_size"],
            rotary_base=rope.get("rope_theta") or config.get("rope_theta") or 10000.0,
            norm_epsilon=config.get("rms_norm_eps", EPSILON),
        )
        return dims, config["max_position_embeddings"]

    @classmethod
    def check_dims(cls, dims: DecoderDims) -> None:
        """Raise UsageError if `transformers` cannot say these dimensions of Llama."""
        super().check_dims(dims)
        if dims.rotary not in (None, dims.head_dim):
            raise UsageError("Llama rotates the whole head")
