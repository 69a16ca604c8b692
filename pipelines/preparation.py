"""What a run of the jobs was called with: the corpus, where it goes, and what runs it."""

from dataclasses import dataclass, field
from typing import Any

from manifests.config import load_config
from manifests.io import files
from manifests.lineage.manifest import (
    FILE,
    Manifest,
    Totals,
    load_manifest,
    manifest_digest,
    save_manifest,
)
from manifests.lineage.receipts import ComponentFunnel, Funnel
from pipelines.corpus.corpus import Corpus
from pipelines.corpus.loading import load_corpus
from pipelines.runtime.runners import Runner


@dataclass(frozen=True)
class Preparation:
    """CORPUS.toml, an output directory, and an engine."""

    corpus: Corpus
    """With absolute paths, for workers."""
    declared: dict[str, Any]
    """As CORPUS.toml has it, with its defaults filled in: what manifests record."""
    output: str
    runner: Runner = field(default_factory=Runner)
    retry_failed: bool = False

    @property
    def license_filter(self) -> str:
        """The first job's directory."""
        return files.join(self.output, "license_filter")

    @property
    def dedup(self) -> str:
        """The second job's directory."""
        return files.join(self.output, "dedup")

    @property
    def tokenize(self) -> str:
        """The third job's directory: several tokenizers may share one documents/."""
        return files.join(self.output, f"tokenize-{self.corpus.tokenize.name}")


def load_preparation(
    path: str, output: str | None = None, runner: Runner | None = None, retry_failed: bool = False
) -> Preparation:
    """Read CORPUS.toml; UsageError lists every fault."""
    corpus = load_corpus(path)
    declared = load_config(path, Corpus).model_dump(mode="json", exclude={"output"})
    return Preparation(
        corpus=corpus,
        declared=declared,
        output=output or corpus.output or "out",
        runner=runner or Runner(),
        retry_failed=retry_failed,
    )


def finish(directory: str, manifest: Manifest) -> Manifest:
    """Write a job's manifest, unless it is there already, to the byte."""
    if not files.exists(files.join(directory, FILE)) or load_manifest(directory) != manifest:
        save_manifest(directory, manifest)
    return manifest


def begin(directory: str, digest: str) -> None:
    """Take away the manifest of another run: files that it speaks of may be replaced."""
    url = files.join(directory, FILE)
    if files.exists(url) and load_manifest(directory).digest != digest:
        files.remove(url)


def parent_of(directory: str, name: str) -> dict[str, str]:
    """Return how a manifest names its parent, which lies beside it."""
    return {"path": f"../{name}", "digest": manifest_digest(directory)}


def sum_funnel(funnel: Funnel) -> ComponentFunnel:
    """Add up all components of a funnel."""
    components = (each for of_source in funnel.values() for each in of_source.values())
    return sum(components, ComponentFunnel())


def totals_of(funnel: Funnel, parts: int, **more: int) -> Totals:
    """Return a job's totals: what its funnel adds up to, its parts, and what it alone counts."""
    summed = sum_funnel(funnel)
    return Totals(
        parts=parts,
        documents_in=summed.documents_in,
        bytes_in=summed.bytes_in,
        documents=summed.documents,
        bytes=summed.bytes,
        **more,
    )


def rejections(funnel: Funnel) -> dict[str, int]:
    """Return rule -> documents that it took, the largest first."""
    counts = sum_funnel(funnel).rejected
    taken = {rule: count.documents for rule, count in counts.items()}
    return dict(sorted(taken.items(), key=lambda item: (-item[1], item[0])))
