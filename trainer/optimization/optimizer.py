"""AdamW, its learning rate, and its state as a flat table of tensors."""

import math

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from trainer.config import OptimizerConfig

MOMENTS = ("exp_avg", "exp_avg_sq", "step")


def learning_rate(step: int, steps: int, warmup: int, peak: float, final: float) -> float:
    """Return the learning rate of update `step` (from 0) of `steps`.

    The rate rises linearly to `peak` at update `warmup - 1`, then follows one cosine to `final` at
    the last update (jaxformer's schedule; one cosine over all epochs, as CodeGen2.5 was trained).
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup + 1) / max(1, steps - warmup)
    return final + (peak - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def make_optimizer(model: nn.Module, config: OptimizerConfig) -> AdamW:
    """Return an AdamW with an initialized state, so that a checkpoint can be read into it.

    Weight decay applies to matrices, not to biases and norms. (In jaxformer norms decay, because
    the norms of all layers are stacked into matrices.)
    """
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    optimizer = AdamW(
        groups, lr=config.learning_rate, betas=config.betas, eps=config.eps, fused=True
    )
    for parameter in model.parameters():
        optimizer.state[parameter] = {
            "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
        }
    return optimizer


def set_learning_rate(optimizer: AdamW, rate: float) -> None:
    """Set the learning rate of the next update."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def optimizer_tensors(model: nn.Module, optimizer: AdamW) -> dict[str, Tensor]:
    """Return the tensors of the state by `PARAMETER.MOMENT`, without copying them."""
    return {
        f"{name}.{moment}": optimizer.state[parameter][moment]
        for name, parameter in model.named_parameters()
        for moment in MOMENTS
    }
