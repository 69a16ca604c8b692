"""Plans with a second stage."""

from objectives.stream.plan import Plan
from objectives.tasks.slot import Stage


def with_stage(plan, position, weights, slots):
    """The plan with another stage from the first multiple of C x K at or after `position`."""
    start = -(-position // plan.group) * plan.group
    before = [stage for stage in plan.stages if stage.position < start]
    stage = Stage(position=start, weights=weights, slots=slots)
    return Plan.model_validate({**dict(plan), "stages": [*before, stage]})
