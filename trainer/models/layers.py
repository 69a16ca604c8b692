"""The parts of every decoder: rotary positions, causal attention, the model.

The rotary dimensions of a head form two halves: dimension i is rotated with dimension
i + rotary_dim / 2, as in Llama. GPT-J's and CodeGen's checkpoints pair neighbors instead;
`codegen2.fuse_qkv` reorders the rows of queries and keys for the export.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from manifests.config import Config
from manifests.errors import DataError, UsageError
from trainer.models.kv_cache import KVCache
from trainer.models.loss import Loss, weighted_loss


class DecoderDims(Config):
    """The dimensions of a decoder."""

    layers: int = Field(gt=0)
    """Number of blocks."""
    width: int = Field(gt=0)
    """Features of the residual stream, d_model."""
    heads: int = Field(gt=0)
    """Attention heads; `width` is a multiple of twice the heads."""
    inner: int = Field(gt=0)
    """Features inside the MLP."""
    rotary: int | None = Field(default=None, gt=0, multiple_of=2)
    """Dimensions of a head that are rotated. By default the model's. Published: 64 or the whole
    head in CodeGen2, the whole head in Llama. CodeGen's 350M has 32 of 64."""
    rotary_base: float = Field(default=10000.0, gt=0)
    """Base of the rotary angles. Published: RoFormer (arXiv 2104.09864), section 3.2.2; the same in
    GPT-J and in CodeGen2.5's Llama."""
    norm_epsilon: float | None = Field(default=None, gt=0)
    """Epsilon of the norms. By default the model's. Published: 1e-5 in CodeGen2, 1e-6 in
    CodeGen2.5. Llama 2 has 1e-5."""

    @property
    def head_dim(self) -> int:
        """Features of one head."""
        return self.width // self.heads


def rotary_table(positions: Tensor, rotary_dim: int, base: float) -> Tensor:
    """Return cosines and sines of `positions` int64 [...].

    Returns:
        float32 [2, ..., 1, 1, rotary_dim / 2].
    """
    device = positions.device
    exponents = torch.arange(0, rotary_dim, 2, dtype=torch.float32, device=device) / rotary_dim
    angles = positions[..., None] * (1.0 / base**exponents)
    return torch.stack((angles.cos(), angles.sin()))[..., None, None, :]


def apply_rotary(features: Tensor, rotary: Tensor) -> Tensor:
    """Rotate the first dimensions of `features` [B, L, 2, H, head].

    `rotary` is the `rotary_table` of positions [L] or [B, L].
    """
    cos, sin = rotary
    half = cos.shape[-1]
    first, second, rest = features.split((half, half, features.shape[-1] - 2 * half), dim=-1)
    rotated = torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
    return torch.cat((rotated.to(features.dtype), rest), dim=-1)


def prefix_mask(prefix: Tensor, length: int) -> Tensor:
    """Return the attention mask of sequences with a prefix: bool [B, 1, length, length].

    A position attends to itself, to every position before it, and to the first `prefix` int [B]
    positions of its sequence.
    """
    positions = torch.arange(length, device=prefix.device)
    causal = positions[None, :] <= positions[:, None]
    return (causal | (positions < prefix[:, None, None])).unsqueeze(1)


class Attention(nn.Module):
    """Causal self-attention with one fused projection (rows: queries, keys, values), no biases."""

    def __init__(self, dims: DecoderDims, layer: int) -> None:
        """Make the projections of a layer."""
        super().__init__()
        self.dims, self.layer = dims, layer
        self.qkv = nn.Linear(dims.width, 3 * dims.width, bias=False)
        self.out = nn.Linear(dims.width, dims.width, bias=False)

    def forward(
        self, x: Tensor, rotary: Tensor, cache: KVCache | None, mask: Tensor | None
    ) -> Tensor:
        """Attend over `x` [B, L, width] and over the tokens in `cache`, which precede it.

        `mask` bool [B, 1, L, L] is true where a position (row) attends to another (column);
        without a mask, attention is causal.
        """
        rows, length, width = x.shape
        split = self.qkv(x).view(rows, length, 3, self.dims.heads, self.dims.head_dim)
        queries, keys = apply_rotary(split[:, :, :2], rotary).permute(2, 0, 3, 1, 4)
        values = split[:, :, 2].transpose(1, 2)
        if cache is not None:
            keys, values = cache.extend(self.layer, keys, values)
        # A call with a cache is either the prefill, or it has one token, which attends to every
        # key or has a mask.
        causal = mask is None and length > 1
        mixed = F.scaled_dot_product_attention(queries, keys, values, mask, is_causal=causal)
        return cast(Tensor, self.out(mixed.transpose(1, 2).reshape(rows, length, width)))


class Block(nn.Module, ABC):
    """One layer of a decoder; with `recompute`, the backward pass recomputes its activations."""

    def __init__(self) -> None:
        """Make a block that keeps its activations and is not compiled."""
        super().__init__()
        self.recompute = False
        self.body: Callable[[Tensor, Tensor, KVCache | None, Tensor | None], Tensor] = self.layer

    @abstractmethod
    def layer(
        self, x: Tensor, rotary: Tensor, cache: KVCache | None, mask: Tensor | None
    ) -> Tensor:
        """Map the residual stream [B, L, width] to that of the next layer."""

    def forward(
        self, x: Tensor, rotary: Tensor, cache: KVCache | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Run the layer; with `recompute`, keep only its input for the backward pass."""
        if self.recompute and torch.is_grad_enabled():
            return checkpoint(self.body, x, rotary, cache, mask, use_reentrant=False)
        return self.body(x, rotary, cache, mask)


class Decoder(nn.Module, ABC):
    """Token embedding, blocks, a last norm, and an untied head.

    A model is a subclass that sets the class variables below, `make_block` and `hf_config`.
    """

    sizes: ClassVar[Mapping[str, DecoderDims]]
    """Name of a size -> its dimensions; "demo" trains in a minute or two on two cores."""
    norm_type: ClassVar[type[nn.LayerNorm] | type[nn.RMSNorm]]
    """Kind of the norm before the head."""
    norm_epsilon: ClassVar[float]
    """Epsilon of the norm before the head."""
    residual_outputs: ClassVar[tuple[str, ...]]
    """Ends of the names of the matrices that write into the residual stream; their initial scale
    is smaller."""
    hf_names: ClassVar[Mapping[str, tuple[str, ...]]]
    """Module -> modules of the same meaning in `transformers`. `*` stands for the layer. Where a
    module has several names, its rows are cut into as many equal parts."""
    hf_model_type: ClassVar[str | None] = None
    """`model_type` of the folders of `transformers` that can be imported, by `from_hf_config`; None
    if import is not possible."""
    head_bias: ClassVar[bool] = False
    """Whether the head has a bias."""
    max_rotary: ClassVar[int] = 1 << 30
    """Largest number of dimensions of a head that are rotated."""
    heads_multiple: ClassVar[int] = 1
    """The number of heads must be a multiple of this number."""

    def __init__(self, dims: DecoderDims, vocabulary: int) -> None:
        """Make the layers; `parallel.initialize` sets their weights.

        Raises:
            UsageError: the model cannot have these dimensions.
        """
        super().__init__()
        self.check_dims(dims)
        self.dims, self.vocabulary = dims, vocabulary
        self.embed = nn.Embedding(vocabulary, dims.width)
        self.blocks = nn.ModuleList(self.make_block(layer) for layer in range(dims.layers))
        self.norm = self.norm_type(dims.width, eps=dims.norm_epsilon or self.norm_epsilon)
        self.head = nn.Linear(dims.width, vocabulary, bias=self.head_bias)

    @classmethod
    def check_dims(cls, dims: DecoderDims) -> None:
        """Raise UsageError if the model cannot have these dimensions."""
        if dims.width % (2 * dims.heads):
            raise UsageError("width must be a multiple of twice the heads")
        if dims.heads % cls.heads_multiple:
            raise UsageError(f"heads must be a multiple of {cls.heads_multiple} for {cls.__name__}")
        if (dims.rotary or 0) > dims.head_dim:
            raise UsageError(f"rotary is {dims.rotary}, and a head has {dims.head_dim} dimensions")

    @property
    def rotary_dim(self) -> int:
        """Number of dimensions of each head that are rotated."""
        return self.dims.rotary or min(self.max_rotary, self.dims.head_dim)

    @property
    def epsilon(self) -> float:
        """Epsilon of the norms."""
        return self.dims.norm_epsilon or self.norm_epsilon

    @abstractmethod
    def make_block(self, layer: int) -> Block:
        """Make the block of layer number `layer`, from 0."""

    @abstractmethod
    def hf_config(self, context: int) -> dict[str, Any]:
        """Return config.json for `transformers`, without the ids of special tokens.

        Args:
            context: tokens of a training sequence.
        """

    def hf_layout(self, module: str, tensor: Tensor) -> Tensor:
        """Return a parameter of `module` in the row order of `transformers`."""
        return tensor

    @classmethod
    def from_hf_config(cls, config: Mapping[str, Any]) -> tuple[DecoderDims, int]:
        """Return the dimensions and the context that a config.json of `transformers` describes.

        Only for a model with an `hf_model_type`. What `hf_config` says beyond dimensions and
        context is compared by the caller.

        Raises:
            UsageError: the model cannot do what the config describes, or is unknown there.
            KeyError: the config lacks a key.
        """
        raise UsageError(f"{cls.__name__}: transformers has no such model")

    def hf_tensor_names(self, name: str) -> list[str]:
        """Return the names in `transformers` of a parameter; several if its rows are cut."""
        module, _, kind = name.rpartition(".")
        layer = "".join(re.findall(r"^blocks\.(\d+)", module))
        hf_modules = self.hf_names[re.sub(r"^blocks\.\d+", "blocks.*", module)]
        return [f"{hf_module.replace('*', layer)}.{kind}" for hf_module in hf_modules]

    def hf_tensors(self) -> dict[str, Tensor]:
        """Return the weights by their names in `transformers`."""
        tensors = {}
        for name, tensor in self.state_dict().items():
            hf_names = self.hf_tensor_names(name)
            parts = self.hf_layout(name.rpartition(".")[0], tensor).chunk(len(hf_names))
            for hf_name, part in zip(hf_names, parts, strict=True):
                # Several chunks share memory, and safetensors does not save tensors that do.
                tensors[hf_name] = part.clone() if len(hf_names) > 1 else part
        return tensors

    def load_hf_tensors(self, read: Callable[[str], Tensor], ends: str = "") -> None:
        """Copy weights from their tensors in `transformers`: the inverse of `hf_tensors`.

        Args:
            read: returns a tensor by its name in `transformers`. One parameter's tensors are in
                memory at a time.
            ends: of the names of the parameters to copy; default: all of them.

        Raises:
            DataError: a tensor has another shape than the parameter.
        """
        for name, parameter in self.state_dict().items():
            if name.endswith(ends):
                parameter.copy_(self.from_hf_tensors(name, parameter.shape, read))

    def from_hf_tensors(
        self, name: str, shape: torch.Size, read: Callable[[str], Tensor]
    ) -> Tensor:
        """Return the parameter `name` from its tensors in `transformers`, in their dtype.

        Args:
            name: of the parameter.
            shape: of the parameter.
            read: as in `load_hf_tensors`.

        Raises:
            DataError: a tensor has another shape than the parameter.
        """
        hf_names = self.hf_tensor_names(name)
        parts = [read(hf_name) for hf_name in hf_names]
        rows = torch.cat(parts) if len(parts) > 1 else parts[0]
        if rows.shape != shape:
            raise DataError(
                f"{' and '.join(hf_names)}: shape {list(rows.shape)}, "
                f"and the model has {list(shape)}"
            )
        parameter = torch.empty_like(rows)
        parameter[self.hf_layout(name.rpartition(".")[0], torch.arange(len(rows)))] = rows
        return parameter

    def hidden(
        self, tokens: Tensor, cache: KVCache | None = None, prefix: Tensor | None = None
    ) -> Tensor:
        """Return the input of the head, [B, L, width], for `tokens` int64 [B, L].

        Args:
            tokens: whole sequences; with a cache that is not empty, the next token of each row.
            cache: of the tokens before. The caller tells it the lengths after the prefill, and of
                each step (`KVCache.set_lengths`, `KVCache.advance`).
            prefix: int [B], the positions at the front of a sequence that attend to each other.
        """
        if cache is None or cache.is_empty:
            positions = torch.arange(tokens.shape[1], device=tokens.device)
            mask = None if prefix is None else prefix_mask(prefix, tokens.shape[1])
        else:
            positions, mask = cache.lengths[:, None], cache.mask()
        rotary = rotary_table(positions, self.rotary_dim, self.dims.rotary_base)
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x, rotary, cache, mask)
        return cast(Tensor, self.norm(x))

    def forward(
        self,
        tokens: Tensor,
        weights: Tensor,
        z_loss: float = 0.0,
        prefix: Tensor | None = None,
    ) -> Loss:
        """Return the loss of predicting `tokens` int64 [B, L] with `weights` float32 [B, L].

        The entropy of the loss has one number a sequence, [B].

        Weight i belongs to the prediction of token i from the tokens before it. The first `prefix`
        int [B] positions of a sequence attend to each other; their weights must be 0. The last
        position predicts nothing; it is kept because matrix units prefer even shapes.
        """
        targets = tokens.roll(-1, 1)
        shifted = weights.roll(-1, 1)
        shifted[:, -1] = 0
        hidden = self.hidden(tokens, prefix=prefix).flatten(0, 1)
        bias = self.head.bias
        loss = weighted_loss(
            hidden, self.head.weight, bias, targets.flatten(), shifted.flatten(), z_loss=z_loss
        )
        return Loss(loss.total, loss.entropy.view(tokens.shape).sum(1))

    def logits(self, tokens: Tensor) -> Tensor:
        """Return the logits [B, L, vocabulary] after each token of `tokens` int64 [B, L]."""
        return cast(Tensor, self.head(self.hidden(tokens)))
