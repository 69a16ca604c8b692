"""The input of the jobs (corpus, output, engine), and how they begin and end their manifests."""

import os
from dataclasses import dataclass, field
from typing import Any

from manifests.config import load_config
from manifests.io import files
from manifests.lineage import StepName
from manifests.lineage.manifest import (
    FILE,
    Manifest,
    Parent,
    Totals,
    load_manifest,
    manifest_digest,
    save_manifest,
)
from manifests.lineage.receipts import Funnel, sum_funnel
from pipelines.corpus.corpus import Corpus
from pipelines.corpus.loading import load_corpus
from pipelines.runtime.runners import Runner


@dataclass(frozen=True)
class Preparation:
    """CORPUS.toml, an output directory, and an engine."""

    corpus: Corpus
    """The configuration with absolute paths, for workers."""
    declared: dict[str, Any]
    """The configuration as CORPUS.toml has it, with defaults filled in, for manifests."""
    output: str
    runner: Runner = field(default_factory=Runner)
    retry_failed: bool = False

    @property
    def license_filter(self) -> str:
        """Directory of the first job."""
        return files.join(self.output, "license_filter")

    @property
    def dedup(self) -> str:
        """Directory of the second job."""
        return files.join(self.output, "dedup")

    @property
    def tokenize(self) -> str:
        """Directory of the third job; several tokenizers may share the jobs before."""
        return files.join(self.output, f"tokenize-{self.corpus.tokenize.name}")


def load_preparation(
    path: str, output: str | None = None, runner: Runner | None = None, retry_failed: bool = False
) -> Preparation:
    """Read CORPUS.toml.

    Args:
        path: CORPUS.toml.
        output: the output directory or URL; by default CORPUS.toml's, or "out".
        runner: the engine; by default Beam's in-process engine.
        retry_failed: whether inputs that could not be read are tried again.

    Raises:
        UsageError: CORPUS.toml is wrong; the message lists all faults.
    """
    corpus = load_corpus(path)
    declared = load_config(path, Corpus).model_dump(mode="json", exclude={"output"})
    return Preparation(
        corpus=corpus,
        declared=declared,
        output=_absolute(output or corpus.output or "out"),
        runner=runner or Runner(),
        retry_failed=retry_failed,
    )


def _absolute(output: str) -> str:
    """Return an output as workers with another working directory find it."""
    return os.path.abspath(files.local_path(output)) if files.is_local(output) else output


def write_manifest(directory: str, manifest: Manifest) -> Manifest:
    """Write the manifest of a job unless the directory has an equal one, and return it."""
    if not files.exists(files.join(directory, FILE)) or load_manifest(directory) != manifest:
        save_manifest(directory, manifest)
    return manifest


def remove_stale_manifest(directory: str, digest: str) -> None:
    """Remove the manifest of a run with another step digest: its files may be replaced."""
    url = files.join(directory, FILE)
    if files.exists(url) and load_manifest(directory).digest != digest:
        files.remove(url)


def parent_record(directory: str, step: StepName) -> Parent:
    """Return the record of the previous job, whose `directory` is named after its step."""
    return Parent(path=f"../{step}", digest=manifest_digest(directory))


def totals_of(funnel: Funnel, parts: int, **more: int) -> Totals:
    """Return the totals of a job: the sums of its funnel, its parts, and `more` counts."""
    summed = sum_funnel(funnel).model_dump(exclude={"rejected", "tokens"})
    return Totals(parts=parts, **summed, **more)


def rejections(funnel: Funnel) -> dict[str, int]:
    """Return rule -> number of documents that it rejected, the largest number first."""
    counts = sum_funnel(funnel).rejected
    documents = {rule: count.documents for rule, count in counts.items()}
    return dict(sorted(documents.items(), key=lambda item: (-item[1], item[0])))
