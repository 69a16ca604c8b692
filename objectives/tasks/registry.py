"""The objectives by name, and how the sequences of a unit are divided among them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from manifests.config import did_you_mean, parse_config
from manifests.errors import UsageError
from manifests.special_tokens import SpecialTokens
from objectives.tasks.causal_lm import CausalLM
from objectives.tasks.causal_masking import CausalMasking
from objectives.tasks.fim import FillInTheMiddle
from objectives.tasks.law import Laws, tables_of
from objectives.tasks.objective import Attention, Objective
from objectives.tasks.span_corruption import SpanCorruption
from objectives.tasks.ul2 import DENOISERS, PREFIX_DENOISERS, S, SHalf

_CLASSES: tuple[type[Objective[Any]], ...] = (
    CausalLM,
    SpanCorruption,
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


MAX_SEQUENCES = 64
"""Largest number of sequences of a unit. Ours: at L = 2,048 and two bytes a token, a unit takes
256 kB."""

EXACT = 1e-9
"""Largest error of a share that counts as exact: that of a sum of decimals."""


def make_objective(
    name: str,
    control: SpecialTokens,
    settings: Mapping[str, Any],
    attention: Attention = "causal",
    task_token: int | None = None,
) -> Objective[Any]:
    """Return an objective of a plan.

    Raises:
        UsageError: a setting has a wrong value, the vocabulary lacks a control token, or the
            objective cannot have the attention.
    """
    objective = OBJECTIVES[name]
    checked = parse_config(f"plan: {name}", objective.settings_class, dict(settings))
    try:
        return objective(control, checked, attention, task_token)
    except UsageError as error:
        raise UsageError(f"objective: {name}: {error}") from None


def make_objectives(
    names: Collection[str],
    control: SpecialTokens,
    settings: Mapping[str, Mapping[str, Any]],
    attention: Attention = "causal",
    task_tokens: Mapping[str, int] | None = None,
) -> dict[str, Objective[Any]]:
    """Return objectives by name, in the order of the registry.

    Args:
        names: of the objectives.
        control: the control tokens of the vocabulary.
        settings: by objective; those of another objective raise UsageError.
        attention: of all objectives.
        task_tokens: objective -> id of its task token, for objectives that have one.

    Raises:
        UsageError: an objective is unknown, its settings have faults, the vocabulary lacks a
            control token, or the objective cannot have the attention.
    """
    tokens = task_tokens or {}
    if unknown := sorted(set(names) - OBJECTIVES.keys()):
        raise UsageError(f"plan: there is no objective {unknown[0]!r}")
    if unknown := sorted(settings.keys() - set(names)):
        hint = did_you_mean(unknown[0], names)
        raise UsageError(f"settings: {unknown[0]!r} is not an objective of this mix; {hint}")
    return {
        name: make_objective(name, control, settings.get(name, {}), attention, tokens.get(name))
        for name in OBJECTIVES
        if name in names
    }


def choose_task_tokens(names: Collection[str], dummies: Sequence[int]) -> dict[str, int]:
    """Return objective -> id of its task token: the dummies in the order of the tasks.

    Args:
        names: of the objectives.
        dummies: the ids of the tokens that nothing else uses, <dummy_0> first.

    Raises:
        UsageError: there are more tasks than dummies.
    """
    task_of = {name: cls.task or name for name, cls in OBJECTIVES.items() if name in names}
    tasks = list(dict.fromkeys(task_of.values()))
    if len(tasks) > len(dummies):
        raise UsageError(
            f"task_tokens: {', '.join(tasks)} need {len(tasks)} tokens, but the vocabulary has "
            f"{len(dummies)} tokens <dummy_0>, <dummy_1> ... that nothing else uses"
        )
    return {name: dummies[tasks.index(task)] for name, task in task_of.items()}


def plain_objective(objectives: Mapping[str, Objective[Any]]) -> Objective[Any]:
    """Return the objective by which a model continues a text.

    It is the first one that does not fill gaps, or the first one where all of them do.
    """
    plain = [o for o in objectives.values() if o.infill_prompt([], []) is None]
    return next(iter(plain or objectives.values()))


def prepare_objectives(objectives: Mapping[str, Objective[Any]], tokenizer: str | None) -> Laws:
    """Prepare objectives for a tokenizer; return their laws, a row for each.

    Raises:
        UsageError: an objective needs a tokenizer and has none, or cannot cut its tokens.
    """
    for name, objective in objectives.items():
        try:
            objective.prepare(tokenizer)
        except UsageError as error:
            raise UsageError(f"objective: {name}: {error}") from None
    return tables_of([objective.law_with_task for objective in objectives.values()])


def shares_of(objective: str | Mapping[str, float]) -> dict[str, float]:
    """Return the share of the sequences that each objective has.

    Args:
        objective: a name of OBJECTIVES or MIXES, or names of OBJECTIVES with their shares.

    Raises:
        UsageError: an objective is unknown, or a share is not above 0.
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
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()}


def common_denominator(shares: Mapping[str, float]) -> int:
    """Return the smallest number of sequences, up to MAX_SEQUENCES, that has these shares exactly.

    Raises:
        UsageError: there is none.
    """
    for count in range(1, MAX_SEQUENCES + 1):
        if all(round(share * count) for share in shares.values()) and all(
            abs(share * count - round(share * count)) < EXACT * count for share in shares.values()
        ):
            return count
    nearest = {
        name: f"{max(round(share * MAX_SEQUENCES), 1)}/{MAX_SEQUENCES}"
        for name, share in shares.items()
    }
    asked = ", ".join(f"{name} {share:.6g}" for name, share in shares.items())
    got = ", ".join(f"{name} {share}" for name, share in nearest.items())
    raise UsageError(
        f"objective: no unit of up to {MAX_SEQUENCES} sequences has the shares {asked}; the "
        f"nearest shares of {MAX_SEQUENCES} sequences are {got}"
    )


def make_slots(shares: Mapping[str, float], sequences: int) -> list[str]:
    """Return the objective of each of `sequences` slots, a multiple of `common_denominator`."""
    return [name for name, share in shares.items() for _ in range(round(share * sequences))]
