"""The jobs in their order: raw files in, a dataset of token shards out."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module

from manifests.lineage import STEPS, StepName
from manifests.lineage.manifest import Manifest
from manifests.lineage.receipts import receipt_names
from pipelines.preparation import Preparation


@dataclass(frozen=True)
class JobResult:
    """The result of one job."""

    directory: str
    manifest: Manifest
    seconds: float
    """Duration of this run; parts that were done before take no time."""
    is_first_run: bool
    """Whether the directory had no receipt before this run, of any config."""

    @property
    def megabytes_per_second(self) -> float | None:
        """Megabytes of input text for each second; None unless the run started from nothing."""
        return self.manifest.totals.bytes_in / 1e6 / self.seconds if self.is_first_run else None


def run_jobs(preparation: Preparation, jobs: Iterable[StepName] = STEPS) -> dict[str, JobResult]:
    """Run jobs in the given order; parts that are done are passed over.

    Each job reads the output of the job before it.

    Raises:
        UsageError: CORPUS.toml is wrong in a way that only a job notices.
        DataError: too many inputs cannot be read, or the previous job has not ended.
    """
    results: dict[str, JobResult] = {}
    for job in jobs:
        directory: str = getattr(preparation, job)
        is_first_run = not receipt_names(directory)
        start = time.monotonic()
        # Imported here, because each job imports much that the other jobs do not need.
        run: Callable[[Preparation], Manifest] = import_module(f"pipelines.{job}.job").run
        manifest = run(preparation)
        results[job] = JobResult(directory, manifest, time.monotonic() - start, is_first_run)
    return results
