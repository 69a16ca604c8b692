"""Plans with other tombstones from a position on."""

from collections.abc import Mapping, Sequence

from objectives.stream.plan import Plan


def with_tombstones(plan: Plan, position: int, tombstones: Mapping[str, Sequence[str]]) -> Plan:
    """Return the plan with other tombstones from the next possible position on.

    The tombstones apply from the first multiple of C x K that is not before `position`, in all
    stages from there on. A plan that applies them already is returned unchanged.
    """
    start = -(-position // plan.group) * plan.group
    applied = {"tombstones": {name: list(names) for name, names in tombstones.items()}}
    before = [stage for stage in plan.stages if stage.position < start]
    after = [stage.model_copy(update=applied) for stage in plan.stages if stage.position >= start]
    if before and (not after or after[0].position > start):
        here = before[-1].model_copy(update={"position": start, **applied})
        after = after if here.tombstones == before[-1].tombstones else [here, *after]
    return Plan.model_validate({**dict(plan), "stages": [*before, *after]})


def with_recorded_tombstones(
    plan: Plan, recorded: Plan, position: int, tombstones: Mapping[str, Sequence[str]]
) -> Plan:
    """Return a run's plan, compiled again, with the tombstones of each of the run's starts.

    Args:
        plan: compiled from the mixture, with the tombstones of the first stage of `recorded`.
        recorded: the plan of the run until now.
        position: where the run continues: sequences before it stay as they were.
        tombstones: the tombstones from the next multiple of C x K on.
    """
    for stage in recorded.stages:
        if stage.position < position:
            plan = with_tombstones(plan, stage.position, stage.tombstones)
    return with_tombstones(plan, position, tombstones)
