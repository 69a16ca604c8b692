"""The objectives by name, and how a unit's sequences are divided among them."""

from collections.abc import Mapping
from typing import Any

from manifests.config import did_you_mean, parse_config
from manifests.errors import UsageError
from manifests.special_tokens import SpecialTokens
from objectives.tasks.causal_lm import CausalLM
from objectives.tasks.causal_masking import CausalMasking
from objectives.tasks.fim import FillInTheMiddle
from objectives.tasks.objective import Objective
from objectives.tasks.prefix_lm import PrefixLM
from objectives.tasks.slot import Slot
from objectives.tasks.span_corruption import SpanCorruption
from objectives.tasks.ul2 import DENOISERS, PREFIX_DENOISERS, S, SHalf

_CLASSES: tuple[type[Objective[Any]], ...] = (
    CausalLM,
    SpanCorruption,
    PrefixLM,
    CausalMasking,
    FillInTheMiddle,
    *DENOISERS,
    *PREFIX_DENOISERS,
)
"""All objectives. Their order numbers `Batch.objective`: a new objective is added at the end."""

OBJECTIVES: Mapping[str, type[Objective[Any]]] = {cls.name: cls for cls in _CLASSES}

MIXES: Mapping[str, Mapping[str, float]] = {
    "codegen2": {CausalLM.name: 0.5, SpanCorruption.name: 0.5},
    "ul2": {**dict.fromkeys((d.name for d in DENOISERS), 1.0), S.name: 1.0},
    "ul2_simplified": {SHalf.name: 0.5, **{d.name: 0.5 / len(DENOISERS) for d in DENOISERS}},
}
"""Mixes of objectives, with their shares. codegen2, published: p = 0.5 each (arXiv 2305.02309,
section 3.3). ul2, published: all alike, so S has 1/7. ul2_simplified, published: half of the
sequences S ("14% to 50%", arXiv 2305.02309, section 3.1.3); ours: the others alike."""


def make_objective(
    name: str, control: SpecialTokens, settings: Mapping[str, Any]
) -> Objective[Any]:
    """Return an objective of a plan.

    Raises:
        UsageError: a setting has a wrong value, or the vocabulary lacks a control token.
    """
    objective = OBJECTIVES[name]
    checked = parse_config(f"plan: {name}", objective.settings_class, dict(settings))
    try:
        return objective(control, checked)
    except UsageError as error:
        raise UsageError(f"objective: {name}: {error}") from None


def make_slots(objective: str | Mapping[str, float], sequences: int, length: int) -> list[Slot]:
    """Return the slots of a unit: one for each of its sequences.

    Args:
        objective: a name of OBJECTIVES or MIXES, or names of OBJECTIVES with their shares.
        sequences: sequences of a unit.
        length: tokens of a sequence.

    Raises:
        UsageError: an objective is unknown, a share is not above 0, or there are more objectives
            than sequences.
    """
    shares = objective
    if isinstance(shares, str):
        shares = MIXES.get(shares, {shares: 1.0})
    for name, share in shares.items():
        if name not in OBJECTIVES:
            hint = did_you_mean(name, [*OBJECTIVES, *MIXES])
            raise UsageError(f"objective: there is no {name!r}; {hint}")
        if not 0 < share < float("inf"):
            raise UsageError(f"objective: the share of {name} must be above 0, not {share}")
    if not shares:
        raise UsageError("objective: name at least one")
    return [
        Slot(objective=name, reserved_tokens=reserved)
        for name, count in _apportion(shares, sequences).items()
        for reserved in OBJECTIVES[name].reserved_tokens(count, length)
    ]


def _apportion(shares: Mapping[str, float], sequences: int) -> dict[str, int]:
    """Divide a unit's sequences by largest remainders: exact where the shares come out even."""
    if len(shares) > sequences:
        raise UsageError(
            f"objective: {len(shares)} objectives do not fit a unit of {sequences} sequences"
        )
    total = sum(shares.values())
    exact = {name: share / total * sequences for name, share in shares.items()}
    counts = {name: max(1, int(value)) for name, value in exact.items()}
    while (left := sequences - sum(counts.values())) != 0:
        step = 1 if left > 0 else -1
        movable = [name for name in counts if counts[name] + step >= 1]
        worst = max(movable, key=lambda name: step * (exact[name] - counts[name]))
        counts[worst] += step
    return counts
