"""The jobs in their order: raw files in, a dataset of token shards out."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from manifests.manifest import Manifest
from pipelines import dedup, license_filter, tokenize
from pipelines.preparation import Preparation

JOBS: dict[str, Callable[[Preparation], Manifest]] = {
    "license_filter": license_filter.run,
    "dedup": dedup.run,
    "tokenize": tokenize.run,
}
"""Each takes up the manifest of the one before it."""


@dataclass(frozen=True)
class Done:
    """A job that came to its end."""

    manifest: Manifest
    seconds: float
    """Of this run, parts that were done before passed over."""

    @property
    def megabytes_per_second(self) -> float:
        """Text that came in, for each second of this run."""
        return self.manifest.totals.bytes_in / 1e6 / max(self.seconds, 1e-9)


def run_jobs(preparation: Preparation, jobs: Iterable[str] = JOBS) -> dict[str, Done]:
    """Run jobs in the order given, passing over the parts that are done.

    Raises:
        BadCall: CORPUS.toml asks for something that cannot be.
        BadData: too many inputs cannot be read, or the job before has not ended.
    """
    done: dict[str, Done] = {}
    for job in jobs:
        start = time.monotonic()
        manifest = JOBS[job](preparation)
        done[job] = Done(manifest, time.monotonic() - start)
    return done
