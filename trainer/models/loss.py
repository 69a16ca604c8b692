"""Cross-entropy from the last hidden states, computed for a few rows of logits at a time.

The logits of a batch are its largest tensor: 51,200 float32 a token. This module computes the
logits of a chunk of rows together with their gradient, in the forward pass, and then discards them.
The logits of a whole batch never exist, and nothing is computed twice.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK_ELEMENTS = {"cpu": 1 << 21, "cuda": 1 << 27}
"""Maximum number of logits of a chunk. Ours: 8 MB of float32 for a CPU's cache, 512 MB to occupy a
GPU."""


class Loss(NamedTuple):
    """Sums over tokens, weighted; divide by the sum of the weights of the global batch."""

    total: Tensor
    """float32 scalar, cross-entropy plus z-loss, with a gradient."""
    entropy: Tensor
    """float32 scalar, cross-entropy in nats, without a gradient."""


def weighted_loss(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    weights: Tensor,
    *,
    z_loss: float = 0.0,
    chunk_elements: int | None = None,
) -> Loss:
    """Return the sum of `weights * (cross-entropy + z_loss * log(Z)**2)`.

    Args:
        hidden: [N, D], the input of the head.
        weight: [V, D], the matrix of the head.
        bias: [V], the bias of the head, or None.
        targets: int64 [N], the token to predict at each row.
        weights: float32 [N]. Rows of weight 0 take as much time as others.
        z_loss: factor of the squared log-partition, which keeps logits near 0 (PaLM, section 5).
        chunk_elements: maximum number of logits of a chunk; default: by device.
    """
    elements = chunk_elements or CHUNK_ELEMENTS[hidden.device.type]
    rows = max(1, elements // weight.shape[0])
    total, entropy = _ChunkedLoss.apply(hidden, weight, bias, targets, weights, z_loss, rows)
    return Loss(total, entropy)


def _chunk_loss(
    logits: Tensor, targets: Tensor, weights: Tensor, z_loss: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the sums of cross-entropy and z-loss of a chunk, and its gradient, in place."""
    log_z = logits.logsumexp(1)
    picked = logits.gather(1, targets[:, None])[:, 0]
    entropy = torch.dot(log_z - picked, weights)
    penalty = torch.dot(log_z.square(), weights) * z_loss
    slope = logits.sub_(log_z[:, None]).exp_()
    slope.mul_((weights * (1 + 2 * z_loss * log_z))[:, None])
    slope.scatter_add_(1, targets[:, None], -weights[:, None])
    return entropy, penalty, slope


class _ChunkedLoss(torch.autograd.Function):
    """The loss; its forward pass computes the gradients, and its backward pass scales them."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        weights: Tensor,
        z_loss: float,
        rows: int,
    ) -> tuple[Tensor, Tensor]:
        entropy = torch.zeros((), device=hidden.device)
        total = torch.zeros((), device=hidden.device)
        backward = hidden.requires_grad or weight.requires_grad
        if backward:
            d_hidden = torch.empty_like(hidden)
            d_weight = torch.zeros_like(weight, dtype=torch.float32)
            d_bias = None if bias is None else torch.zeros_like(bias, dtype=torch.float32)
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
        return d_hidden * d_total, d_weight * d_total, scaled, None, None, None, None
