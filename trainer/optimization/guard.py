"""Updates that would spoil the weights: their loss or gradient is not finite, or far too large."""

import math
from collections import deque
from statistics import fmean, stdev
from typing import Any

from manifests.errors import DataError
from trainer.config import OptimizerConfig


class UpdateGuard:
    """Decides whether an update is made, skipped, or the end of the run.

    The decision depends on the loss and the gradient norm of the global batch, which are the same
    in all processes, and on the norms of the last updates, which checkpoints hold.
    """

    def __init__(self, config: OptimizerConfig) -> None:
        """Begin without norms."""
        self._skips = config.on_nonfinite == "skip"
        self._deviations, self._max_skips = config.outlier_deviations, config.max_skips
        self._norms: deque[float] = deque(maxlen=config.norm_window)
        self._skipped_in_row = 0

    def fault(self, loss: float, norm: float) -> str | None:
        """Return why an update must not be made, or None; remember its gradient norm.

        Raises:
            DataError: this update would be one more in a row to skip than `max_skips`, or updates
                are not skipped. The message is the fault.
        """
        fault = self._fault(loss, norm)
        if math.isfinite(norm):
            self._norms.append(norm)
        self._skipped_in_row = self._skipped_in_row + 1 if fault else 0
        if fault and not self._skips:
            raise DataError(fault)
        if fault and self._skipped_in_row > self._max_skips:
            raise DataError(f"{fault}, after {self._max_skips} skipped updates in a row")
        return fault

    def _fault(self, loss: float, norm: float) -> str | None:
        if not math.isfinite(loss):
            return f"the loss is {loss}"
        if not math.isfinite(norm):
            return f"the gradient norm is {norm}"
        history, window = self._norms, self._norms.maxlen or 0
        # The first norms of a run say little about the next ones (OLMo-core waits as long).
        if not self._skips or len(history) < max(2, window // 2):
            return None
        mean, deviation = fmean(history), stdev(history)
        if norm <= mean + self._deviations * deviation:
            return None
        return (
            f"the gradient norm {norm:.3g} is more than {self._deviations:g} standard deviations "
            f"above {mean:.3g}, the mean of the last {len(history)}"
        )

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint needs to decide the same."""
        return {"norms": list(self._norms), "skipped_in_row": self._skipped_in_row}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        self._norms.clear()
        self._norms.extend(state["norms"])
        self._skipped_in_row = state["skipped_in_row"]
