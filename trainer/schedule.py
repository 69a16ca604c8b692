"""The learning rate: a linear warmup, then one cosine to the end of the run."""

import math


def learning_rate(step: int, steps: int, warmup: int, peak: float, final: float) -> float:
    """Return the learning rate of update `step` (from 0) of `steps`.

    Update `warmup - 1` is the first at `peak`, the last update is at `final` (jaxformer's schedule;
    the cosine spans all epochs, as CodeGen2.5 was trained).
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    past = (step - warmup + 1) / max(1, steps - warmup)
    return final + (peak - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, past)))
