"""datatrove's four MinHash stages over a directory of Parquet files, by two workers.

Run by the Python of its own environment: DOCUMENTS WORK FILES. The settings are datatrove's own:
5-grams, 14 buckets of 8 hashes, 64-bit xxhash, English words. The last line printed is a JSON
object. Imports are not timed, and what stays is counted but not written.
"""

import json
import sys
import time

from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.readers import ParquetReader

WORKERS = 2


def main(documents: str, work: str, files: int) -> None:
    """Run the four stages."""
    config = MinhashConfig()
    reader = ParquetReader(documents, read_metadata=False)
    start = time.perf_counter()
    stages: list[tuple[list[PipelineStep], int]] = [
        ([reader, MinhashDedupSignature(f"{work}/signatures", config)], files),
        (
            [MinhashDedupBuckets(f"{work}/signatures", f"{work}/buckets", config=config)],
            config.num_buckets,
        ),
        ([MinhashDedupCluster(f"{work}/buckets", f"{work}/remove", config)], 1),
        ([reader, MinhashDedupFilter(f"{work}/remove")], files),
    ]
    found = [
        LocalPipelineExecutor(
            stage, tasks=tasks, workers=min(WORKERS, tasks), logging_dir=f"{work}/logs/{number}"
        ).run()
        for number, (stage, tasks) in enumerate(stages)
    ]
    seconds = time.perf_counter() - start
    removed = found[-1].stats[-1].stats["dropped"].total
    print(json.dumps({"seconds": seconds, "removed": removed}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
