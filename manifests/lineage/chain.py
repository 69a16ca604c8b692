"""The chain of manifests behind a directory, from the raw files to the tokens, by digest."""

from collections.abc import Mapping
from dataclasses import dataclass

from manifests.errors import DataError, UsageError
from manifests.io import files
from manifests.lineage import STEPS
from manifests.lineage.manifest import FILE, FailedInput, Manifest, load_manifest, manifest_digest
from manifests.lineage.receipts import DIRECTORY, ComponentFunnel, Count


@dataclass(frozen=True)
class Link:
    """One finished job: its directory, its manifest and the SHA-256 of manifest.json."""

    directory: str
    manifest: Manifest
    digest: str


@dataclass(frozen=True)
class Chain:
    """Finished jobs in their order. Each was made from the output of the job before.

    Attributes:
        links: at least one.
        missing: why the chain does not reach the raw files; None if it does.
        broken: whether a parent exists, but is not the one that its child was made from.
    """

    links: tuple[Link, ...]
    missing: str | None = None
    broken: bool = False

    @property
    def last(self) -> Link:
        """The last job."""
        return self.links[-1]

    def link(self, step: str) -> Link | None:
        """Return the last job of a step; None if the chain has none."""
        return next((link for link in reversed(self.links) if link.manifest.step == step), None)

    @property
    def failed(self) -> list[FailedInput]:
        """The inputs that could not be read, of all jobs."""
        return [failure for link in self.links for failure in link.manifest.failed]


@dataclass(frozen=True)
class Flow:
    """The documents of one component, from the first job of a chain to its last.

    Attributes:
        source: its source.
        incoming: documents and bytes of text of the input.
        rejected: step -> rule -> rejected documents.
        kept: documents and bytes of text that the last job kept.
        tokens: tokens of the kept documents; None before they are tokenized.
    """

    source: str
    incoming: Count
    rejected: Mapping[str, Mapping[str, Count]]
    kept: Count
    tokens: int | None

    def lost(self, step: str) -> Count:
        """Return what a step rejected by all rules."""
        return sum(self.rejected.get(step, {}).values(), Count())


def load_chain(directory: str) -> Chain:
    """Read the manifests behind the directory of a job, or of an output (then of its last job).

    Raises:
        UsageError: the directory does not exist, has no job, or has several tokenized datasets.
        DataError: a manifest is missing, newer than this program, edited, or damaged.
    """
    link = _load_link(_job_directory(directory))
    links, missing, broken = [link], None, False
    while link.manifest.parent is not None:
        parent = link.manifest.parent
        at = files.resolve(link.directory, parent.path)
        if not files.exists(files.join(at, FILE)):
            missing = f"{at}: the job before is not here"
            break
        if manifest_digest(at) != parent.digest:
            missing = f"{at}: manifest.json is not the one that {link.directory} was made from"
            broken = True
            break
        link = _load_link(at)
        links.append(link)
    return Chain(tuple(reversed(links)), missing, broken)


def flows(chain: Chain) -> dict[str, Flow]:
    """Return component -> its documents through the chain, for all sources."""
    sources = {
        component: source
        for link in chain.links
        for source, components in link.manifest.funnel.items()
        for component in components
    }
    return {name: _flow(chain, source, name) for name, source in sorted(sources.items())}


def _flow(chain: Chain, source: str, component: str) -> Flow:
    """Return the documents of one component through a chain."""
    nothing = ComponentFunnel()
    steps = {
        link.manifest.step: link.manifest.funnel.get(source, {}).get(component, nothing)
        for link in chain.links
    }
    first = next((funnel for funnel in steps.values() if funnel.documents_in), nothing)
    last = steps[chain.last.manifest.step]
    return Flow(
        source=source,
        incoming=Count(documents=first.documents_in, bytes=first.bytes_in),
        rejected={step: funnel.rejected for step, funnel in steps.items() if funnel.rejected},
        kept=Count(documents=last.documents, bytes=last.bytes),
        tokens=last.tokens,
    )


def _load_link(directory: str) -> Link:
    return Link(directory, load_manifest(directory), manifest_digest(directory))


def _job_directory(directory: str) -> str:
    """Return the given directory if it is a job's, else that of the last job in it."""
    directory = directory.rstrip("/") or "/"
    if files.exists(files.join(directory, FILE)):
        return directory
    if not files.exists(directory):
        raise UsageError(f"{directory}: there is no such directory")
    names = files.list_names(directory)
    for step in reversed(STEPS):
        of_step = [name for name in names if name == step or name.startswith(f"{step}-")]
        done = [name for name in of_step if files.exists(files.join(directory, name, FILE))]
        if len(done) > 1:
            choices = " or ".join(files.join(directory, name) for name in done)
            raise UsageError(f"{directory}: holds several tokenized datasets; name {choices}")
        if done:
            return files.join(directory, done[0])
    if DIRECTORY in names or set(names) & set(STEPS):
        raise DataError(
            f"{directory}: manifest.json is missing because the job has not ended; run it again"
        )
    raise UsageError(
        f"{directory}: is not a dataset: it holds no manifest.json and no finished job"
    )
