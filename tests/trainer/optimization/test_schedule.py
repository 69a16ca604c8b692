"""The schedule of the learning rate."""

import pytest

from trainer.config import RunConfig
from trainer.optimization.schedule import Schedule, make_schedule


def schedule(**fields) -> Schedule:
    plain = {"shape": "cosine", "steps": 12, "warmup": 4, "anneal": 8, "peak": 1.0, "final": 0.1}
    return Schedule(**{**plain, **fields})


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
    assert schedule().rate(step) == pytest.approx(wanted)


def test_without_warmup_the_learning_rate_only_falls() -> None:
    whole = schedule(steps=100, warmup=0, anneal=100, final=0.0)
    rates = [whole.rate(step) for step in range(100)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == pytest.approx(1.0, abs=1e-3)
    assert rates[-1] == pytest.approx(0.0, abs=1e-12)


def test_jaxformers_annealing_ends_before_the_run() -> None:
    """config/codegen_1B_nl: 3,000 updates of warmup, 300,000 of annealing, 350,000 in all."""
    published = {"steps": 350_000, "warmup": 3000, "anneal": 300_000, "final": 2e-5}
    run = RunConfig(output="x", mixture="y", schedule=published)
    made = make_schedule(run, 350_000)
    assert made.rate(2999) == pytest.approx(2e-4)
    assert made.rate(3000 + 150_000 - 1) == pytest.approx(1.1e-4)
    assert made.rate(302_998) > 2e-5
    for step in (302_999, 320_000, 349_999):
        assert made.rate(step) == pytest.approx(2e-5)


def test_warmup_stable_decay_keeps_the_peak_until_the_annealing() -> None:
    made = schedule(shape="wsd", steps=20, anneal=5)
    assert [made.rate(step) for step in range(3, 15)] == [1.0] * 12
    assert [made.rate(step) for step in range(15, 20)] == pytest.approx(
        [0.82, 0.64, 0.46, 0.28, 0.1]
    )
    longer = schedule(shape="wsd", steps=40, anneal=5)
    assert [longer.rate(step) for step in range(15)] == [made.rate(step) for step in range(15)]


@pytest.mark.parametrize(
    ("given", "steps", "wanted"), [(None, 50, 5), (None, 10**6, 3000), (80, 50, 50)]
)
def test_warmup_is_at_most_a_tenth_of_the_run_by_default(
    given: int | None, steps: int, wanted: int
) -> None:
    run = RunConfig(output="x", mixture="y", schedule={"warmup": given})
    assert make_schedule(run, steps).warmup == wanted


@pytest.mark.parametrize(
    ("shape", "anneal", "wanted"),
    [("cosine", None, 45), ("cosine", 20, 20), ("cosine", 60, 45), ("wsd", None, 5), ("wsd", 9, 9)],
)
def test_the_default_annealing_is_the_rest_of_the_run_or_a_tenth(shape, anneal, wanted) -> None:
    run = RunConfig(output="x", mixture="y", schedule={"shape": shape, "anneal": anneal})
    assert make_schedule(run, 50).anneal == wanted
