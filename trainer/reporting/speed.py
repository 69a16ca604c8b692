"""Model FLOPs utilization (MFU) and the remaining time of a run."""

import time

import torch
from torch import nn

from trainer.config import RunConfig
from trainer.models import Decoder
from trainer.parallel import DistributedContext

PEAK_TFLOPS = {"NVIDIA H100 80GB HBM3": 989.4, "NVIDIA H200": 989.4, "NVIDIA A100": 312.0}
"""Start of the name of a GPU -> its dense bf16 peak, 10^12 operations a second. Published: NVIDIA's
data sheets of the H100 and H200 (SXM) and of the A100."""


class Speed:
    """The MFU of a run's updates, and the time until its end."""

    def __init__(
        self, model: Decoder, config: RunConfig, context: DistributedContext, steps: int
    ) -> None:
        """Begin without updates.

        Args:
            model: of the run.
            config: of the run.
            context: the processes.
            steps: updates of the run.
        """
        self._steps = steps
        self._flops = flops_per_token(model, config.data.sequence_length)
        tflops = config.metrics.peak_tflops or _peak_tflops(context.device)
        self._peak = None if tflops is None else tflops * 1e12 * context.world_size
        self._first: tuple[int, float] | None = None

    def mfu(self, tokens_per_second: float) -> float | None:
        """Return the share of the peak; None if the peak of the device is not known."""
        return None if self._peak is None else self._flops * tokens_per_second / self._peak

    def remaining_seconds(self, step: int) -> float | None:
        """Return the time until the end, called after update `step`.

        The time of an update is the mean since the first call, validation and checkpoints
        included. The first call returns None: the first update may compile.
        """
        now = time.perf_counter()
        if self._first is None:
            self._first = step, now
            return None
        first, started = self._first
        return (now - started) / (step - first) * (self._steps - step)


def flops_per_token(model: Decoder, length: int) -> int:
    """Return the floating-point operations of a token, forward and backward.

    Published: 6 N + 12 L D T, with N parameters, L layers of width D, and sequences of T tokens
    (llm-foundry, scripts/train/benchmarking; PaLM, appendix B, leaves out the embedding).
    """
    return 6 * parameter_count(model) + 12 * model.dims.layers * model.dims.width * length


def parameter_count(module: nn.Module) -> int:
    """Return the number of parameters of a module."""
    return sum(parameter.numel() for parameter in module.parameters())


def _peak_tflops(device: torch.device) -> float | None:
    """Return the dense bf16 peak of a device, or None if it is not known."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for start, peak in PEAK_TFLOPS.items() if name.startswith(start)), None)
