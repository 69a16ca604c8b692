"""The loss by objective, source and component."""

import numpy as np
import pytest

from objectives.tasks.batch import Batch
from objectives.tasks.registry import OBJECTIVES
from trainer.losses import LossTable
from trainer.parallel import distributed_context
from trainer.run import Run

ROWS, LENGTH = 40, 16


@pytest.fixture
def plan(trained):
    return Run.open(trained).plan


def batch(seed: int, components: int) -> tuple[Batch, np.ndarray]:
    draw = np.random.default_rng(seed)
    made = Batch.empty(ROWS, LENGTH)
    made.loss_weights[:] = draw.random((ROWS, LENGTH)) < 0.8
    made.component[:] = draw.integers(0, components, ROWS)
    made.objective[:] = draw.integers(0, 3, ROWS)
    return made, draw.random(ROWS).astype(np.float32)


def test_losses_are_means_over_the_weights_of_each_name(plan) -> None:
    names = [component.name for component in plan.components]
    table = LossTable(plan)
    wanted: dict[tuple[str, str], tuple[float, float]] = {}
    with distributed_context(1):
        for seed in range(3):
            made, entropy = batch(seed, len(names))
            sums = table.batch_sums(made, entropy)
            assert table.entropy(sums) == pytest.approx(entropy.sum(dtype=np.float64))
            table.add(sums)
            for row in range(ROWS):
                component = names[made.component[row]]
                keys = [
                    ("objectives", list(OBJECTIVES)[made.objective[row]]),
                    ("sources", component.split("/")[0]),
                    ("components", component),
                ]
                for key in keys:
                    total, weight = wanted.get(key, (0.0, 0.0))
                    row_weight = float(made.loss_weights[row, 1:].sum())
                    wanted[key] = total + float(entropy[row]), weight + row_weight
    other = LossTable(plan)
    other.load_state_dict(table.state_dict())
    report = table.report()
    assert {(kind, name) for kind, losses in report.items() for name in losses} == wanted.keys()
    for (kind, name), (total, weight) in wanted.items():
        assert report[kind][name]["loss"] == pytest.approx(total / weight)
        assert report[kind][name]["loss_tokens"] == weight
    assert other.report() == report
    assert table.report() == {"objectives": {}, "sources": {}, "components": {}}


def test_a_state_of_a_registry_with_fewer_objectives_is_continued(plan) -> None:
    table, later = LossTable(plan), LossTable(plan)
    sums = np.arange(2.0 * (len(OBJECTIVES) + len(plan.components))).reshape(-1, 2)
    sums[len(OBJECTIVES) - 1] = 0
    table.add(sums)
    state = table.state_dict()
    del state[len(OBJECTIVES) - 1]
    later.load_state_dict(state)
    assert later.report() == table.report()
