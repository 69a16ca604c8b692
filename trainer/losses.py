"""Sums over global batches: counts, and the loss by objective, by source and by component."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist

from objectives.stream.plan import Plan
from objectives.tasks.batch import FORGOTTEN, PADDING, Batch
from objectives.tasks.registry import OBJECTIVES
from trainer.metrics import BatchStats

Sums = npt.NDArray[np.float64]
"""[objectives + components, 2]: sums of the weighted cross-entropy, and of the loss weights."""


class LossTable:
    """Sums of the loss since the last report, which all processes keep and checkpoints hold."""

    def __init__(self, plan: Plan) -> None:
        """Begin with sums of 0 for the objectives and components of a plan."""
        self._objectives = list(OBJECTIVES)
        self._components = [component.name for component in plan.components]
        self._sums = np.zeros((len(self._objectives) + len(self._components), 2))

    def batch_sums(self, batch: Batch, entropy: npt.NDArray[np.float32]) -> Sums:
        """Return the sums of a global batch; every process calls it.

        Args:
            batch: the sequences of this process.
            entropy: [B], the weighted cross-entropy of each sequence.
        """
        # The first token of a sequence is not predicted.
        weights = batch.loss_weights[:, 1:].sum(axis=1, dtype=np.float64)
        values = np.stack((entropy.astype(np.float64), weights), axis=1)
        sums = np.zeros_like(self._sums)
        np.add.at(sums, batch.objective.astype(np.int64), values)
        np.add.at(sums, len(self._objectives) + batch.component.astype(np.int64), values)
        dist.all_reduce(torch.from_numpy(sums))
        return sums

    def entropy(self, sums: Sums) -> float:
        """Return the weighted cross-entropy of all sequences of a batch."""
        return float(sums[: len(self._objectives), 0].sum())

    def add(self, sums: Sums) -> None:
        """Add the sums of a global batch."""
        self._sums += sums

    def report(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return the losses since the last report; the next report begins with sums of 0.

        Returns:
            "objectives", "sources" and "components" -> name -> `loss`, the mean cross-entropy in
            nats, and `loss_tokens`, the sum of the loss weights. Names without loss weights are
            left out.
        """
        objectives, components = np.split(self._sums, [len(self._objectives)])
        sources = [name.split("/")[0] for name in self._components]
        report = {
            "objectives": _losses(self._objectives, objectives),
            "sources": _losses(sources, components),
            "components": _losses(self._components, components),
        }
        self._sums[:] = 0
        return report

    def state_dict(self) -> list[Any]:
        """Return what a checkpoint needs to report the same."""
        rows: list[Any] = self._sums.tolist()
        return rows

    def load_state_dict(self, state: Sequence[Any]) -> None:
        """Continue from a state, whose registry may have had fewer objectives."""
        objectives = len(state) - len(self._components)
        self._sums[:objectives] = state[:objectives]
        self._sums[len(self._objectives) :] = state[objectives:]


def count_batch(batch: Batch, stop: bool) -> BatchStats:
    """Count a global batch; every process calls it.

    Args:
        batch: the sequences of this process.
        stop: whether this process received a stop signal.
    """
    # The first token of a sequence is not predicted.
    loss_tokens = batch.loss_weights[:, 1:].sum(dtype=np.float64)
    padding = np.count_nonzero(batch.segment_ids == PADDING)
    forgotten = np.count_nonzero(batch.segment_ids == FORGOTTEN)
    documents = (batch.segment_ids.max(axis=1).clip(-1) + 1).sum()
    eligible, thinned = batch.eligible.sum(), batch.thinned.sum()
    counts = [loss_tokens, padding, forgotten, documents, eligible, thinned, stop]
    sums = torch.tensor(counts, dtype=torch.float64)
    dist.all_reduce(sums)
    weight, *integers = sums.tolist()
    return BatchStats(weight, *map(int, integers))


def _losses(names: Iterable[str], sums: Sums) -> dict[str, dict[str, float]]:
    """Return the losses by name; rows of the same name are added up."""
    totals: dict[str, Sums] = {}
    for name, row in zip(names, sums, strict=True):
        totals[name] = totals.get(name, np.zeros(2)) + row
    return {
        name: {"loss": float(entropy / weight), "loss_tokens": float(weight)}
        for name, (entropy, weight) in totals.items()
        if weight
    }
