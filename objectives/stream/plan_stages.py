"""A plan with other stages: other weights, slots or tombstones from a position on."""

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from manifests.errors import UsageError
from objectives.stream.plan import Plan
from objectives.tasks.slot import Slot, Stage


def with_stage(plan: Plan, position: int, weights: Sequence[int], slots: Sequence[Slot]) -> Plan:
    """Return the plan with another stage from the next possible position on.

    It begins at the first multiple of C x K that is not before `position`, and takes the place of
    all stages that would begin at or after it.
    """
    start = -(-position // plan.group) * plan.group
    kept = [before for before in plan.stages if before.position < start]
    obeyed = (kept[-1] if kept else plan.stages[0]).tombstones
    stage = {"position": start, "weights": list(weights), "slots": list(slots)}
    stage["tombstones"] = obeyed
    return _with_stages(plan, [*kept, Stage.model_validate(stage)])


def with_tombstones(plan: Plan, position: int, tombstones: Mapping[str, Sequence[str]]) -> Plan:
    """Return the plan with other tombstones from the next possible position on.

    They are obeyed from the first multiple of C x K that is not before `position`, in all stages
    from there on; a plan that obeys them already is returned as it is.
    """
    start = -(-position // plan.group) * plan.group
    obeyed = {"tombstones": {name: list(names) for name, names in tombstones.items()}}
    before = [stage for stage in plan.stages if stage.position < start]
    after = [stage.model_copy(update=obeyed) for stage in plan.stages if stage.position >= start]
    if before and (not after or after[0].position > start):
        here = before[-1].model_copy(update={"position": start, **obeyed})
        after = after if here.tombstones == before[-1].tombstones else [here, *after]
    return _with_stages(plan, [*before, *after])


def obeying(
    plan: Plan, before: Plan, position: int, tombstones: Mapping[str, Sequence[str]]
) -> Plan:
    """Return a run's plan, compiled again, with what it obeyed each time it was started.

    Args:
        plan: compiled from the mixture, with the tombstones of the first stage of `before`.
        before: the plan of the run up to now.
        position: where the run goes on: sequences before it stay what they were.
        tombstones: what is forgotten now; obeyed from the next multiple of C x K on.
    """
    for stage in before.stages:
        if stage.position < position:
            plan = with_tombstones(plan, stage.position, stage.tombstones)
    return with_tombstones(plan, position, tombstones)


def _with_stages(plan: Plan, stages: Sequence[Stage]) -> Plan:
    try:
        return Plan.model_validate({**dict(plan), "stages": list(stages)})
    except ValidationError as error:
        raise UsageError(f"plan: {error.errors(include_url=False)[0]['msg']}") from None
