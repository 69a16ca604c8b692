"""Cross-entropy from the last hidden states, a few rows of logits at a time.

The logits of a batch are its largest tensor by far (51,200 float32 a token). Here they exist for
one chunk of rows: its gradient is made at once, in the forward pass, and the chunk is forgotten,
so nothing is kept for the backward pass and nothing is computed twice.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK_ELEMENTS = {"cpu": 1 << 21, "cuda": 1 << 27}
"""Logits held at once: what a CPU's cache likes, and what fills a GPU (512 MB as float32)."""


class Loss(NamedTuple):
    """A weighted sum over tokens; divide by the weights of the global batch."""

    total: Tensor
    """float32 scalar, cross-entropy and z-loss, to run backward from."""
    entropy: Tensor
    """float32 scalar, cross-entropy alone, in nats; it carries no gradient."""


def weighted_loss(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    weights: Tensor,
    *,
    z_loss: float = 0.0,
) -> Loss:
    """Return the sum of `weights * (cross-entropy + z_loss * log(Z)**2)`.

    Args:
        hidden: [N, D], what the head reads.
        weight: [V, D], the head's matrix.
        bias: [V] or None.
        targets: int64 [N], the token to predict at each row.
        weights: float32 [N]; rows of weight 0 cost as much as the others.
        z_loss: factor of the squared log-partition, which keeps logits near 0 (PaLM, section 5).
    """
    total, entropy = _ChunkedLoss.apply(hidden, weight, bias, targets, weights, z_loss)
    return Loss(total, entropy)


def _chunk_loss(
    logits: Tensor, targets: Tensor, weights: Tensor, z_loss: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return a chunk's cross-entropy sum, z-loss sum, and gradient (in the logits' memory)."""
    log_z = logits.logsumexp(1)
    picked = logits.gather(1, targets[:, None])[:, 0]
    entropy = torch.dot(log_z - picked, weights)
    penalty = torch.dot(log_z.square(), weights) * z_loss
    slope = logits.sub_(log_z[:, None]).exp_()
    slope.mul_((weights * (1 + 2 * z_loss * log_z))[:, None])
    slope.scatter_add_(1, targets[:, None], -weights[:, None])
    return entropy, penalty, slope


class _ChunkedLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        weights: Tensor,
        z_loss: float,
    ) -> tuple[Tensor, Tensor]:
        entropy = torch.zeros((), device=hidden.device)
        total = torch.zeros((), device=hidden.device)
        backward = hidden.requires_grad or weight.requires_grad
        if backward:
            d_hidden = torch.empty_like(hidden)
            d_weight = torch.zeros_like(weight, dtype=torch.float32)
            d_bias = None if bias is None else torch.zeros_like(bias, dtype=torch.float32)
        rows = max(1, CHUNK_ELEMENTS[hidden.device.type] // weight.shape[0])
        for start in range(0, hidden.shape[0], rows):
            part = slice(start, start + rows)
            logits = F.linear(hidden[part], weight, bias).float()
            chunk, penalty, slope = _chunk_loss(logits, targets[part], weights[part], z_loss)
            entropy += chunk
            total += chunk + penalty
            if backward:
                if d_bias is not None:
                    d_bias += slope.sum(0)
                slope = slope.to(hidden.dtype)
                torch.mm(slope, weight, out=d_hidden[part])
                d_weight += slope.T @ hidden[part]
        if backward:
            bias_gradient = None if d_bias is None or bias is None else d_bias.to(bias.dtype)
            ctx.save_for_backward(d_hidden, d_weight.to(weight.dtype), bias_gradient)
        ctx.mark_non_differentiable(entropy)
        return total, entropy

    @staticmethod
    def backward(ctx: Any, d_total: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        d_hidden, d_weight, d_bias = ctx.saved_tensors
        scaled = d_bias * d_total if d_bias is not None else None
        return d_hidden * d_total, d_weight * d_total, scaled, None, None, None
