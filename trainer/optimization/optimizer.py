"""AdamW, the norm of its gradient, and its state as a flat table of tensors."""

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.optim import AdamW

from trainer.config import OptimizerConfig

MOMENTS = ("exp_avg", "exp_avg_sq", "step")


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


def gradient_norm(model: nn.Module) -> tuple[Tensor, float]:
    """Return the norm of the gradient of all parameters: for `clip_and_step`, and as a number."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    return norm, float(norm.full_tensor() if isinstance(norm, DTensor) else norm)


def clip_and_step(
    model: nn.Module, optimizer: AdamW, norm: Tensor, clip: float, rate: float
) -> None:
    """Scale the gradient to a norm of at most `clip`, and make an update at a learning rate.

    `norm` is the norm of the gradient, as `gradient_norm` returns it.
    """
    torch.nn.utils.clip_grads_with_norm_(model.parameters(), clip, norm)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()


def optimizer_tensors(model: nn.Module, optimizer: AdamW) -> dict[str, Tensor]:
    """Return the tensors of the state by `PARAMETER.MOMENT`, without copying them."""
    return {
        f"{name}.{moment}": optimizer.state[parameter][moment]
        for name, parameter in model.named_parameters()
        for moment in MOMENTS
    }
