"""The learning rate of each update."""

import math
from dataclasses import dataclass
from typing import Literal

from trainer.config import RunConfig

WARMUP = 3000
"""Updates of warmup in long runs (jaxformer, config/codegen_1B_nl)."""


@dataclass(frozen=True)
class Schedule:
    """Warmup, then annealing from `peak` to `final`.

    With the shape "cosine" the annealing begins after the warmup (jaxformer's schedule; over the
    whole run as CodeGen2.5 was trained). With "wsd" the rate stays at `peak` and falls linearly in
    the last `anneal` updates (warmup-stable-decay: MiniCPM, arXiv 2404.06395; linear as in
    torchtitan), so that a longer run repeats the same updates before its annealing begins.
    """

    shape: Literal["cosine", "wsd"]
    steps: int
    """Updates of the run."""
    warmup: int
    """Updates of linear warmup, at most `steps`."""
    anneal: int
    """Updates of the annealing. After it the rate is `final`."""
    peak: float
    """Highest learning rate."""
    final: float
    """Lowest learning rate."""

    def rate(self, step: int) -> float:
        """Return the learning rate of update `step` (from 0).

        The rate is `peak` at update `warmup - 1` and `final` at the last update of the annealing.
        """
        if step < self.warmup:
            return self.peak * (step + 1) / self.warmup
        start = self.warmup if self.shape == "cosine" else self.steps - self.anneal
        progress = min(1.0, max(0.0, (step - start + 1) / max(1, self.anneal)))
        falling = 1 - progress
        if self.shape == "cosine":
            falling = 0.5 * (1 + math.cos(math.pi * progress))
        return self.final + (self.peak - self.final) * falling


def make_schedule(config: RunConfig, steps: int) -> Schedule:
    """Return the schedule of a run of `steps` updates."""
    chosen = config.schedule
    warmup = min(WARMUP, steps // 10) if chosen.warmup is None else min(chosen.warmup, steps)
    default = steps - warmup if chosen.shape == "cosine" else max(1, steps // 10)
    return Schedule(
        shape=chosen.shape,
        steps=steps,
        warmup=warmup,
        anneal=min(chosen.anneal or default, steps - warmup),
        peak=config.optimizer.learning_rate,
        final=chosen.final,
    )
