"""Run datatrove's MinHash stages with its default settings."""

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
"""The steps of each stage, and its number of tasks."""


def minhash(reader: PipelineStep, work: str, files: int) -> Stages:
    """Return the three stages that list duplicates in `work`/remove."""
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
    """Run stages with two workers; return the statistics of the last step."""
    results = [
        LocalPipelineExecutor(
            stage, tasks=tasks, workers=min(WORKERS, tasks), logging_dir=f"{work}/logs/{number}"
        ).run()
        for number, (stage, tasks) in enumerate(stages)
    ]
    return results[-1].stats[-1].stats
