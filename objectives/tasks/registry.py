"""The objectives by name, and how a unit's sequences are divided among them."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from manifests.config import Config
from manifests.errors import UsageError
from manifests.special_tokens import SpecialTokens
from objectives.tasks import causal_lm, causal_masking, fim, prefix_lm, span_corruption, ul2
from objectives.tasks.slot import Slot


@dataclass(frozen=True)
class Objective:
    """An objective.

    Attributes:
        fill: (segments, sequences, batch, control, settings): writes those rows of a batch,
            each from the segments of the same number: tokens, weights, documents, and `prefix`
            where it is not 0. Sequences may come in any order, and each is written as if alone.
        reserved_tokens: (slots, tokens of a sequence) -> the reserved tokens of each slot.
        settings: the model of its settings.
        check: (control, settings): raises UsageError where the vocabulary lacks what it needs.
        tables: (settings, path of tokenizer.json, if there is one): what else `fill` is given.
    """

    fill: Callable[..., None]
    reserved_tokens: Callable[[int, int], list[int]]
    settings: type[Config]
    check: Callable[[SpecialTokens, Any], object]
    tables: Callable[[Any, str | None], dict[str, Any]] | None = None


def _nothing(control: SpecialTokens, settings: Config) -> None:
    """Any vocabulary will do."""


def _masks(control: SpecialTokens, settings: Config) -> None:
    if control.eom is None or not control.masks:
        raise UsageError("<eom> and masks are not in the tokenizer's vocabulary")


def _sep_and_masks(control: SpecialTokens, settings: Config) -> None:
    if not control.can_infill:
        raise UsageError("<sep>, <eom> and masks are not in the tokenizer's vocabulary")


def _mode(control: SpecialTokens, settings: ul2.Mode) -> None:
    if settings.mode is not None and settings.mode >= control.vocabulary:
        raise UsageError(f"mode is {settings.mode}, not below the vocabulary {control.vocabulary}")


def _sep_masks_and_mode(control: SpecialTokens, settings: ul2.Mode) -> None:
    _sep_and_masks(control, settings)
    _mode(control, settings)


OBJECTIVES: Mapping[str, Objective] = {
    "clm": Objective(causal_lm.fill, causal_lm.reserved_tokens, causal_lm.Settings, _nothing),
    "span_corruption": Objective(
        span_corruption.fill,
        span_corruption.reserved_tokens,
        span_corruption.Settings,
        _sep_and_masks,
    ),
    "prefix_lm": Objective(prefix_lm.fill, prefix_lm.reserved_tokens, prefix_lm.Settings, _nothing),
    "causal_masking": Objective(
        causal_masking.fill, causal_masking.reserved_tokens, causal_masking.Settings, _masks
    ),
    "fim": Objective(fim.fill, fim.reserved_tokens, fim.Settings, fim.sentinels_of, fim.tables),
    **{
        name: Objective(denoiser.fill, denoiser.reserved_tokens, ul2.Mode, _sep_masks_and_mode)
        for name, denoiser in ul2.DENOISERS.items()
    },
    **{
        name: Objective(prefix.fill, prefix.reserved_tokens, ul2.Mode, _mode)
        for name, prefix in ul2.PREFIXES.items()
    },
}
"""Their order is the numbering of `Batch.objective`: new ones go to the end."""

PREFIXED = {"prefix_lm", *ul2.DENOISERS, *ul2.PREFIXES}
"""Those whose positions at the front see each other."""

MIXES: Mapping[str, Mapping[str, float]] = {
    "codegen2": {"clm": 0.5, "span_corruption": 0.5},
    "ul2": {**dict.fromkeys(ul2.DENOISERS, 1.0), "ul2_s": 1.0},
    "ul2_simplified": ul2.SIMPLIFIED,
}
"""Objectives together, with their shares. codegen2: p = 0.5 each (arXiv 2305.02309, section 2).
ul2: all alike, so S has 14 %; ul2_simplified: what section 3.3 makes of it."""


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
    one = {objective: 1.0} if isinstance(objective, str) else objective
    shares = MIXES.get(objective, one) if isinstance(objective, str) else one
    for name, share in shares.items():
        if name not in OBJECTIVES:
            raise UsageError(f"objective: there is no {name!r}; {_hint(name)}")
        if not 0 < share < float("inf"):
            raise UsageError(f"objective: the share of {name} must be above 0, not {share}")
    if not shares:
        raise UsageError("objective: name at least one")
    return [
        Slot(objective=name, reserved_tokens=reserved)
        for name, count in _apportion(shares, sequences).items()
        for reserved in OBJECTIVES[name].reserved_tokens(count, length)
    ]


def _hint(name: str) -> str:
    known = [*OBJECTIVES, *MIXES]
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"


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
