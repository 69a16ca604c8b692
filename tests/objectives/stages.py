"""Plans with a second stage."""

from objectives.stream.plan import Plan
from objectives.stream.stage import Stage


def with_stage(plan, position, weights):
    """The plan with another stage from the first multiple of C x K at or after `position`."""
    start = -(-position // plan.group) * plan.group
    before = [stage for stage in plan.stages if stage.position < start]
    stage = Stage(position=start, weights=weights)
    return Plan.model_validate({**dict(plan), "stages": [*before, stage]})
