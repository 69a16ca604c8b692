"""pass@k, estimated without bias (Chen et al., arXiv 2107.03374)."""

from collections.abc import Sequence

from manifests.errors import UsageError

TEMPERATURES = ((1, 0.2), (10, 0.6))
HIGHEST = 0.8
"""Temperature for k up to 1, up to 10, and above. Published: CodeGen2 (arXiv 2305.02309, Table 3):
0.2, 0.6 and 0.8 for k = 1, 10 and 100."""


def pass_at_k(samples: int, passed: int, k: int) -> float:
    """Return the probability that one of k samples passes, drawn without replacement.

    1 - C(n - c, k) / C(n, k) for n `samples` of which c `passed`.
    """
    failing = 1.0
    for number in range(samples - passed + 1, samples + 1):
        failing *= max(0.0, 1 - k / number)
    return 1 - failing


def temperature_of(k: int) -> float:
    """Return the temperature that the paper has for a k."""
    return next((value for largest, value in TEMPERATURES if k <= largest), HIGHEST)


def check_k(samples: int, ks: Sequence[int]) -> None:
    """Raise UsageError if pass@k cannot be estimated from so many samples."""
    if largest := [k for k in ks if k > samples]:
        raise UsageError(
            f"--k {largest[0]}: pass@{largest[0]} needs at least {largest[0]} samples of a task, "
            f"and -n is {samples}"
        )
