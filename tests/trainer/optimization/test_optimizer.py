"""The schedule of the learning rate."""

import pytest

from trainer.optimization.optimizer import learning_rate


@pytest.mark.parametrize(
    ("step", "wanted"),
    [
        (0, 0.25),  # the first update already moves
        (1, 0.5),
        (3, 1.0),  # the end of the warmup
        (7, 0.55),  # half way: the mean of peak and final
        (11, 0.1),  # the last update is at the final rate
        (50, 0.1),  # and it stays there
    ],
)
def test_the_learning_rate_rises_linearly_and_falls_by_a_cosine(step: int, wanted: float) -> None:
    assert learning_rate(step, 12, 4, 1.0, 0.1) == pytest.approx(wanted)


def test_without_warmup_the_learning_rate_only_falls() -> None:
    rates = [learning_rate(step, 100, 0, 1.0, 0.0) for step in range(100)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == pytest.approx(1.0, abs=1e-3)
    assert rates[-1] == pytest.approx(0.0, abs=1e-12)
