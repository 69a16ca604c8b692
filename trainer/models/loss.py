"""Cross-entropy from the last hidden states, computed for a few rows of logits at a time.

The logits of a batch are its largest tensor: 51,200 float32 a token. This module computes the
logits of a chunk of rows together with their gradient, in the forward pass, and then discards them.
The logits of a whole batch never exist, and nothing is computed twice.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK_ELEMENTS = {"cpu": 1 << 24, "cuda": 1 << 27}
"""Maximum number of logits of a chunk. Ours: 64 MB of float32 on a CPU, where smaller chunks spend
their time on the head's gradient (2^21 took twice as long); 512 MB to occupy a GPU."""


class Loss(NamedTuple):
    """Sums over tokens, weighted; divide by the sum of the weights of the global batch."""

    total: Tensor
    """float32 scalar, cross-entropy plus z-loss, with a gradient."""
    entropy: Tensor
    """float32, one number a row: its weighted cross-entropy in nats, without a gradient."""


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
    """Return the sum of `weights * (cross-entropy + z_loss * log(Z)**2)`, and the entropy by row.

    Without gradients (`torch.no_grad`) only the logits are computed.

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
    # Inside `forward`, autograd is always off.
    backward = torch.is_grad_enabled() and (hidden.requires_grad or weight.requires_grad)
    total, entropy = _ChunkedLoss.apply(
        hidden, weight, bias, targets, weights, z_loss, rows, backward
    )
    return Loss(total, entropy)


class _Chunk(NamedTuple):
    """Some rows of the loss; N is their number."""

    exponentials: Tensor
    """[N, V], e to the power of each logit minus the largest one of its row."""
    sums: Tensor
    """[N], the sums of `exponentials`."""
    log_z: Tensor
    """[N], the log-partition."""
    entropy: Tensor
    """[N], the cross-entropy."""


def _chunk(logits: Tensor, targets: Tensor) -> _Chunk:
    """Return the loss of some rows; their logits are overwritten."""
    largest = logits.amax(1)
    logits.sub_(largest[:, None])
    picked = logits.gather(1, targets[:, None])[:, 0]
    sums = logits.exp_().sum(1)
    log_sums = sums.log()
    return _Chunk(logits, sums, largest + log_sums, log_sums - picked)


def _slope(chunk: _Chunk, targets: Tensor, weights: Tensor, z_loss: float) -> Tensor:
    """Return the gradient with respect to the logits [N, V]; `exponentials` is overwritten."""
    factor = weights * (1 + 2 * z_loss * chunk.log_z) / chunk.sums
    slope = chunk.exponentials.mul_(factor[:, None])
    return slope.scatter_add_(1, targets[:, None], -weights[:, None])


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
        backward: bool,
    ) -> tuple[Tensor, Tensor]:
        total = torch.zeros((), device=hidden.device)
        entropies = []
        if backward:
            d_hidden = torch.empty_like(hidden)
            d_weight = torch.zeros_like(weight, dtype=torch.float32)
            d_bias = None if bias is None else torch.zeros_like(bias, dtype=torch.float32)
        for start in range(0, hidden.shape[0], rows):
            part = slice(start, start + rows)
            chunk = _chunk(F.linear(hidden[part], weight, bias).float(), targets[part])
            entropies.append(chunk.entropy * weights[part])
            penalty = torch.dot(chunk.log_z.square(), weights[part]) * z_loss
            total += entropies[-1].sum() + penalty
            if backward:
                slope = _slope(chunk, targets[part], weights[part], z_loss)
                if d_bias is not None:
                    d_bias += slope.sum(0)
                slope = slope.to(hidden.dtype)
                torch.mm(slope, weight, out=d_hidden[part])
                _add_product(d_weight, slope.T, hidden[part])
                del slope
            del chunk  # before the next one is allocated
        if backward:
            bias_gradient = None if d_bias is None or bias is None else d_bias.to(bias.dtype)
            ctx.save_for_backward(d_hidden, d_weight.to(weight.dtype), bias_gradient)
        entropy = torch.cat(entropies) if entropies else torch.zeros_like(weights)
        ctx.mark_non_differentiable(entropy)
        return total, entropy

    @staticmethod
    def backward(ctx: Any, d_total: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        # Scaled in place: autograd refuses a second backward pass over tensors that have changed.
        gradients = [g if g is None else g.mul_(d_total) for g in ctx.saved_tensors]
        return *gradients, None, None, None, None, None


def _add_product(result: Tensor, left: Tensor, right: Tensor) -> None:
    """Add `left @ right` to `result`, which is float32: in place if both are float32 too."""
    if left.dtype == result.dtype:
        result.addmm_(left, right)
    else:
        result += left @ right
