"""The files of an output that nothing needs any more, and their removal.

The manifest of a finished job names the files that the job needs. Without a manifest only temporary
files are stale. A job that starts again with another config removes its manifest first. `remove`
compares the manifests once more, and removes receipts before the files that they name, so a job
that starts at that moment finds a part either whole or not done. Temporary and intermediate files
are kept for an hour, because a running job may need them.

A tombstone of shards that a dataset no longer has stops all readers until it is removed. Its
documents must be forgotten again before, because no other file lists them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from manifests.console import formatting
from manifests.console.output import numbers_table, unwrapped
from manifests.dataset.shard_index import read_shard_rows
from manifests.dataset.tombstone_file import FOLDER, SUFFIX
from manifests.dataset.tombstones import Tombstones
from manifests.errors import DataError, UsageError
from manifests.io import files
from manifests.lineage import STEPS
from manifests.lineage.chain import load_chain
from manifests.lineage.manifest import FILE, Manifest, load_manifest, manifest_digest
from manifests.lineage.parts_table import DedupPart, FilteredPart, read_parts
from manifests.lineage.receipts import DIRECTORY, load_receipt

HOUR = 3600.0
"""Seconds without a write after which no running job needs a temporary or intermediate file."""

FOLDERS = (
    *("clusters", "decisions", "documents", "duplicates", "exact", "heldout", "probe", "shards"),
    "signatures",
)
"""Folders of parts and shards, whose stale files are removed. Other folders stay as they are, also
failed/, config/ and the tables of repositories and packages of earlier inputs."""

SHARDS = ("heldout", "shards")
"""Folders of shards, which other readers list by patterns."""

UNDERWAY = ("clusters", "exact", "probe", DIRECTORY)
"""Folders whose new files belong to a running job that replaces lost parts under a manifest."""

KINDS = {
    "temporary": "temporary files of killed jobs",
    "stale": "parts, shards and intermediate files that no manifest needs",
    "tombstones": "tombstones of shards that no longer exist",
    "documents": "documents/, from which the shards were made",
}
"""Kind of a stale file -> its description."""


@dataclass(frozen=True)
class StaleFile:
    """A file that can be removed.

    Attributes:
        directory: of its job.
        path: relative to it.
        kind: of KINDS.
        bytes: its size.
    """

    directory: str
    path: str
    kind: str
    bytes: int


@dataclass(frozen=True)
class CleanupPlan:
    """The files of an output that can be removed, and the manifests that the plan relies on.

    Attributes:
        files: receipts first.
        manifests: directory of a job -> SHA-256 of its manifest.json, or None if it has none.
    """

    files: list[StaleFile]
    manifests: dict[str, str | None]

    def plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "bytes": sum(file.bytes for file in self.files),
            "files": [vars(file) for file in self.files],
        }


def plan_cleanup(output: str, documents: bool = False) -> CleanupPlan:
    """Return the files of an output, or of one job's directory, that can be removed.

    Args:
        output: out/, or the directory of a job.
        documents: whether to remove documents/ as well.

    Raises:
        UsageError: the directory is not an output, or documents/ are still needed.
        DataError: a manifest or a table of the output is damaged.
    """
    jobs = _jobs(output)
    stale: list[StaleFile] = []
    manifests: dict[str, str | None] = {}
    if output.rstrip("/") not in jobs:
        stale += _of_job(output, None, folders=False)
        manifests[output] = None
    for directory in jobs:
        ended = files.exists(files.join(directory, FILE))
        manifests[directory] = manifest_digest(directory) if ended else None
        manifest = load_manifest(directory) if ended else None
        stale += _of_job(directory, manifest)
        stale += _tombstones(directory, manifest) if manifest else ()
    if documents:
        stale += _documents(output, jobs, {file.path for file in stale})
    receipts_first = sorted(stale, key=lambda file: not file.path.startswith(f"{DIRECTORY}/"))
    return CleanupPlan(receipts_first, manifests)


def strays(directory: str, manifest: Manifest) -> list[str]:
    """Return the files in shards/ and heldout/ of a dataset that do not belong to the dataset.

    Temporary files are left out, because no reader takes them for shards.
    """
    needed = _needed(directory, manifest)
    return [
        path
        for folder in SHARDS
        for path in (
            f"{folder}/{name}" for name in sorted(files.sizes(files.join(directory, folder)))
        )
        if path not in needed and not files.TEMPORARY.fullmatch(path.rsplit("/", 1)[-1])
    ]


def remove(plan: CleanupPlan) -> None:
    """Remove the files of a plan.

    Raises:
        DataError: a job has started or ended since the plan was made; nothing more is removed.
    """
    for directory, digest in plan.manifests.items():
        stale = [file for file in plan.files if file.directory == directory]
        ended = files.exists(files.join(directory, FILE))
        if stale and (manifest_digest(directory) if ended else None) != digest:
            raise DataError(
                f"{directory}: a job has started or ended meanwhile; run `stackpile clean` again"
            )
        for file in stale:
            files.remove(files.join(directory, file.path))


def _jobs(output: str) -> list[str]:
    """Return the directories of an output's jobs."""
    output = output.rstrip("/") or "/"
    names = files.list_names(output)
    if DIRECTORY in names and (FILE in names or _step_by_name(output)):
        return [output]
    jobs = [url for name in names if _is_job(url := files.join(output, name))]
    if not jobs:
        raise UsageError(f"{output}: is not an output: it has no directory {', '.join(STEPS)}")
    return jobs


def _is_job(directory: str) -> bool:
    """Tell whether a directory is a job's; the output of `compact` may have any name."""
    return bool(_step_by_name(directory)) or all(
        files.exists(files.join(directory, name)) for name in (DIRECTORY, FILE)
    )


def _step_of(directory: str) -> str:
    """Return the step of a job, by its manifest or else by its name."""
    if files.exists(files.join(directory, FILE)):
        return load_manifest(directory).step
    return _step_by_name(directory)


def _step_by_name(directory: str) -> str:
    """Return the step in the name of a directory, or an empty string."""
    name = directory.rsplit("/", 1)[-1].partition("-")[0]
    return name if name in STEPS else ""


def _of_job(directory: str, manifest: Manifest | None, folders: bool = True) -> Iterator[StaleFile]:
    """Yield temporary files and, if the job has ended, files that its manifest does not need."""
    needed = _needed(directory, manifest) if manifest else None
    for path, size in sorted(files.sizes(directory).items()):
        url = files.join(directory, path)
        folder, name = path.split("/")[0], path.rsplit("/", 1)[-1]
        if "/" in path and not folders:
            continue
        if files.TEMPORARY.fullmatch(name):
            if _is_idle(url):
                yield StaleFile(directory, path, "temporary", size)
        elif needed is not None and path not in needed:
            is_stale = folder in FOLDERS or (
                folder == DIRECTORY and _is_stale(directory, name, needed)
            )
            if is_stale and (folder not in UNDERWAY or _is_idle(url)):
                yield StaleFile(directory, path, "stale", size)


def _is_idle(url: str) -> bool:
    """Tell whether a file was not written for an hour; false if a running job took it away."""
    try:
        return files.idle(url) > HOUR
    except FileNotFoundError:
        return False


def _tombstones(directory: str, manifest: Manifest) -> Iterator[StaleFile]:
    """Yield tombstones of shards that the dataset no longer has."""
    for name in Tombstones(directory, manifest).stale:
        path = f"{FOLDER}/{name}{SUFFIX}"
        yield StaleFile(directory, path, "tombstones", files.size(files.join(directory, path)))


def _is_stale(directory: str, name: str, needed: set[str]) -> bool:
    """Tell whether a receipt names files that are not needed."""
    receipt = load_receipt(directory, name.removesuffix(".json"))
    return receipt is not None and any(
        path.split("/")[0] in FOLDERS and path not in needed for path in receipt.files
    )


def _needed(directory: str, manifest: Manifest) -> set[str]:
    """Return the files that a finished job needs, relative to its directory."""
    needed = set(manifest.tables)
    if manifest.step == "tokenize":
        for shard in read_shard_rows(directory, manifest):
            needed.update(shard.files)
    elif manifest.step == "dedup":
        for part in read_parts(directory, DedupPart):
            needed |= {f"duplicates/{part.name}.parquet", f"signatures/{part.signature}.parquet"}
    else:
        for row in read_parts(directory, FilteredPart):
            needed |= {f"documents/{row.name}.parquet", f"decisions/{row.name}.parquet"}
    return needed


def _documents(output: str, jobs: list[str], known: set[str]) -> Iterator[StaleFile]:
    """Yield documents/, if every dataset of the output is finished.

    Raises:
        UsageError: documents/ are still needed.
    """
    tokenized = [directory for directory in jobs if _step_of(directory) == "tokenize"]
    for directory in tokenized:
        chain = load_chain(directory)
        if chain.missing:
            raise UsageError(f"{output}: documents/ are still needed: {chain.missing}")
    first = [directory for directory in jobs if _step_of(directory) == STEPS[0]]
    if not tokenized or not first:
        raise UsageError(f"{output}: documents/ are still needed: no shards were made from them")
    for path, size in sorted(files.sizes(first[0]).items()):
        if path.startswith("documents/") and path.endswith(".parquet") and path not in known:
            yield StaleFile(first[0], path, "documents", size)


def render_cleanup(plan: CleanupPlan, removed: bool) -> RenderableType:
    """Return the table that `clean` prints."""
    if not plan.files:
        return unwrapped("no file can be removed")
    table = numbers_table("Removed" if removed else "Can be removed", "", "files", "bytes")
    for kind, description in KINDS.items():
        sizes = [file.bytes for file in plan.files if file.kind == kind]
        if sizes:
            table.add_row(description, formatting.count(len(sizes)), formatting.size(sum(sizes)))
    lines = [] if removed else ["Nothing was removed: --yes removes, --json names every file."]
    kinds = {file.kind for file in plan.files}
    if "tombstones" in kinds and not removed:
        lines.append("Documents of these tombstones come back, unless you call `forget` again.")
    if "documents" in kinds:
        lines.append("Without documents/ the next `prepare` of this output reads its inputs again.")
    return Group(table, Text(), unwrapped("\n".join(lines))) if lines else table
