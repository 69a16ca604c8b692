"""Measure the chunked loss of the trainer on a CPU against PyTorch's cross-entropy on all logits.

Both compute the loss and its gradients from the same hidden states, for the vocabulary of CodeGen2,
in float32 and in bfloat16. The memory is the peak of what a call allocates beyond the gradients
that it returns, for more rows; the peer's is that of the float32 logits alone.
"""

from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.claims import Claim, main, medians, rate, say
from benchmarks.torch_memory import peak_bytes
from trainer.models.loss import weighted_loss

RUNS = 5

VOCABULARY, WIDTH = 51_200, 512

TIMED_ROWS, MEASURED_ROWS = 2048, 8192

TIME_GOAL, MEMORY_GOAL = 1 / 1.1, 10.0
"""Ours: at most 1.1 times the peer's time, and at most a tenth of the logits' memory."""

Inputs = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def measure(data: Path) -> list[Claim]:
    """Measure both precisions; no data is read."""
    return [claim for dtype in (torch.float32, torch.bfloat16) for claim in _claims(dtype)]


def _claims(dtype: torch.dtype) -> list[Claim]:
    timed, name = inputs(TIMED_ROWS, dtype), str(dtype).removeprefix("torch.")
    for loss in (ours, plain):
        loss(timed)
    rates = medians(
        RUNS,
        lambda: rate(partial(_rows, ours, timed)),
        lambda: rate(partial(_rows, plain, timed)),
    )
    say(f"loss: {name}: {rates[0]:,.0f} rows/s, plain {rates[1]:,.0f}")
    taken, logits = extra_bytes(inputs(MEASURED_ROWS, dtype)), MEASURED_ROWS * VOCABULARY * 4
    say(f"loss: {name}: {taken / 1e6:,.0f} MB, logits {logits / 1e6:,.0f} MB")
    where = f"chunked loss, {name}, vocabulary {VOCABULARY:,}, CPU"
    return [
        Claim(
            f"{where}: rows/s of {TIMED_ROWS:,} rows; cross_entropy of all logits",
            rates[0],
            rates[1],
            TIME_GOAL,
            ("torch",),
        ),
        Claim(
            f"{where}: rows for each MB beyond the gradients, {MEASURED_ROWS:,} rows; the logits",
            MEASURED_ROWS / (taken / 1e6),
            MEASURED_ROWS / (logits / 1e6),
            MEMORY_GOAL,
            ("torch",),
        ),
    ]


def inputs(rows: int, dtype: torch.dtype) -> Inputs:
    """Return hidden states, the head's matrix and bias, targets and weights."""
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(rows, WIDTH, generator=generator).to(dtype).requires_grad_()
    weight = (torch.randn(VOCABULARY, WIDTH, generator=generator) * 0.02).to(dtype)
    targets = torch.randint(0, VOCABULARY, (rows,), generator=generator)
    bias = torch.zeros(VOCABULARY, dtype=dtype, requires_grad=True)
    return hidden, weight.requires_grad_(), bias, targets, torch.ones(rows)


def ours(given: Inputs) -> None:
    """Compute the loss and its gradients in chunks."""
    hidden, weight, bias, targets, weights = given
    total = weighted_loss(hidden, weight, bias, targets, weights).total
    torch.autograd.grad(total, (hidden, weight, bias))


def plain(given: Inputs) -> None:
    """Compute the loss and its gradients from all logits."""
    hidden, weight, bias, targets, weights = given
    logits = F.linear(hidden, weight, bias).float()
    losses = F.cross_entropy(logits, targets, reduction="none")
    torch.autograd.grad(torch.dot(losses, weights), (hidden, weight, bias))


def _rows(loss: object, given: Inputs) -> int:
    assert callable(loss)
    loss(given)
    return len(given[0])


def extra_bytes(given: Inputs) -> int:
    """Return the peak of the bytes that `ours` allocates, without the gradients it returns."""
    peak = peak_bytes(lambda: ours(given))
    return peak - sum(tensor.nbytes for tensor in given[:3])


if __name__ == "__main__":
    main("benchmarks.loss", measure)
