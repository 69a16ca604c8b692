"""What both of datatrove's scripts do: MinHash as it comes, and stages one after another."""

from typing import Any

from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupSignature,
)

WORKERS = 2

Stages = list[tuple[list[PipelineStep], int]]
"""Steps, and in how many tasks."""


def minhash(reader: PipelineStep, work: str, files: int) -> Stages:
    """Return the three stages that find what is to be removed, into `work`/remove."""
    config = MinhashConfig()
    return [
        ([reader, MinhashDedupSignature(f"{work}/signatures", config)], files),
        (
            [MinhashDedupBuckets(f"{work}/signatures", f"{work}/buckets", config=config)],
            config.num_buckets,
        ),
        ([MinhashDedupCluster(f"{work}/buckets", f"{work}/remove", config)], 1),
    ]


def run(stages: Stages, work: str) -> Any:
    """Run stages by two workers; return what the last step of the last one counted."""
    found = [
        LocalPipelineExecutor(
            stage, tasks=tasks, workers=min(WORKERS, tasks), logging_dir=f"{work}/logs/{number}"
        ).run()
        for number, (stage, tasks) in enumerate(stages)
    ]
    return found[-1].stats[-1].stats
