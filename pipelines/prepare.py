"""The jobs in their order: raw files in, a dataset of token shards out."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module

from manifests.lineage.manifest import Manifest
from manifests.lineage.receipts import receipt_names
from pipelines.preparation import Preparation

JOBS = ("license_filter", "dedup", "tokenize")
"""Each is a module with a function `run`, and takes up the manifest of the one before it."""


@dataclass(frozen=True)
class Done:
    """A job that came to its end."""

    directory: str
    manifest: Manifest
    seconds: float
    """Of this run, parts that were done before passed over."""
    from_nothing: bool
    """Whether no part was done before this run."""

    @property
    def megabytes_per_second(self) -> float | None:
        """Text that came in, for each second; None where an earlier run did a share of it."""
        return self.manifest.totals.bytes_in / 1e6 / self.seconds if self.from_nothing else None


def run_jobs(preparation: Preparation, jobs: Iterable[str] = JOBS) -> dict[str, Done]:
    """Run jobs in the order given, passing over the parts that are done.

    Raises:
        UsageError: CORPUS.toml asks for something that cannot be.
        DataError: too many inputs cannot be read, or the job before has not ended.
    """
    done: dict[str, Done] = {}
    for job in jobs:
        directory: str = getattr(preparation, job)
        from_nothing = not receipt_names(directory)
        start = time.monotonic()
        # Here, because each job imports much that the others have no use for.
        run: Callable[[Preparation], Manifest] = import_module(f"pipelines.{job}.job").run
        manifest = run(preparation)
        done[job] = Done(directory, manifest, time.monotonic() - start, from_nothing)
    return done
