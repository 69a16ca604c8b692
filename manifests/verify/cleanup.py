"""What an output holds that nothing needs any more, and its removal.

Only of a job that has ended is anything but temporary files stale, for only its manifest says which
files it needs; a job that starts over with another config takes its manifest away first. Before
anything is removed the manifest is looked at once more, and receipts go before the files that they
speak of: a job that starts in that very moment finds a part either whole or not done. Temporary
and intermediate files are left for an hour, because a running job may need them.

Tombstones of shards that a dataset no longer has stop all its readers until they go: what they
forgot must be forgotten again before, because nothing else remembers it.
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
"""Seconds without a write after which such a file belongs to no running job."""

FOLDERS = (
    *("clusters", "decisions", "documents", "duplicates", "exact", "heldout", "shards"),
    "signatures",
)
"""Where jobs write parts and shards; nothing else is looked at."""

SHARDS = ("heldout", "shards")
"""Those of them that plain readers look into, with patterns."""

UNDERWAY = ("clusters", "exact", DIRECTORY)
"""Where a job that makes up for lost parts, its manifest being there, keeps what it needs."""

KINDS = {
    "temporary": "temporary files of jobs that were killed",
    "stale": "parts, shards and intermediate files that no manifest needs",
    "tombstones": "tombstones of shards that are no more",
    "documents": "documents/, which the shards were made from",
}


@dataclass(frozen=True)
class Waste:
    """A file that can go.

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
class Wasted:
    """What can go of an output, and the manifests that say so.

    Attributes:
        files: receipts first.
        manifests: directory of a job -> the digest of its manifest; None where it has none.
    """

    files: list[Waste]
    manifests: dict[str, str | None]

    def plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "bytes": sum(each.bytes for each in self.files),
            "files": [vars(each) for each in self.files],
        }


def wasted(output: str, documents: bool = False) -> Wasted:
    """Return what can go of an output, or of one job's directory.

    Args:
        output: out/, or the directory of a job.
        documents: whether documents/ are to go, too.

    Raises:
        UsageError: it is no output; or documents/ are asked for, but not all jobs have ended.
        DataError: a manifest or a table of the output cannot be believed.
    """
    jobs = _jobs(output)
    found: list[Waste] = []
    manifests: dict[str, str | None] = {}
    if output.rstrip("/") not in jobs:
        found += _temporaries(output)
        manifests[output] = None
    for directory in jobs:
        ended = files.exists(files.join(directory, FILE))
        manifests[directory] = manifest_digest(directory) if ended else None
        manifest = load_manifest(directory) if ended else None
        found += _of_job(directory, manifest)
        found += _tombstones(directory, manifest) if manifest else ()
    if documents:
        found += _documents(output, jobs, {each.path for each in found})
    receipts_first = sorted(found, key=lambda each: not each.path.startswith(f"{DIRECTORY}/"))
    return Wasted(receipts_first, manifests)


def strays(directory: str, manifest: Manifest) -> list[str]:
    """Return the files below shards/ and heldout/ of a dataset that no record of it names.

    Temporary files are none: no reader takes them for shards.
    """
    needed = _needed(directory, manifest)
    return [
        path
        for folder in SHARDS
        for path in (f"{folder}/{each}" for each in files.tree(files.join(directory, folder)))
        if path not in needed and not files.TEMPORARY.fullmatch(path.rsplit("/", 1)[-1])
    ]


def remove(found: Wasted) -> None:
    """Remove what can go.

    Raises:
        DataError: a job has begun or ended since it was looked at; nothing more is removed.
    """
    for directory, digest in found.manifests.items():
        mine = [each for each in found.files if each.directory == directory]
        ended = files.exists(files.join(directory, FILE))
        if mine and (manifest_digest(directory) if ended else None) != digest:
            raise DataError(f"{directory}: a job has begun or ended meanwhile; look again")
        for each in mine:
            files.remove(files.join(directory, each.path))


def _jobs(output: str) -> list[str]:
    """Return the directories of an output's jobs."""
    output = output.rstrip("/") or "/"
    names = files.list_names(output)
    if DIRECTORY in names and (FILE in names or _step_by_name(output)):
        return [output]
    jobs = [url for name in names if _is_job(url := files.join(output, name))]
    if not jobs:
        raise UsageError(f"{output}: is not an output: it holds none of {', '.join(STEPS)}")
    return jobs


def _is_job(directory: str) -> bool:
    """Tell whether a directory is a job's: what `compact` writes may have any name."""
    return bool(_step_by_name(directory)) or all(
        files.exists(files.join(directory, name)) for name in (DIRECTORY, FILE)
    )


def _step_of(directory: str) -> str:
    """Return the step of a job: what its manifest says, or else its name."""
    if files.exists(files.join(directory, FILE)):
        return load_manifest(directory).step
    return _step_by_name(directory)


def _step_by_name(directory: str) -> str:
    """Return the step that a directory is named after; an empty string where it is not."""
    name = directory.rsplit("/", 1)[-1].partition("-")[0]
    return name if name in STEPS else ""


def _temporaries(output: str) -> Iterator[Waste]:
    """Yield what was left of files beside the jobs' directories, such as plan.parquet."""
    for path in files.tree(output):
        url = files.join(output, path)
        if files.TEMPORARY.fullmatch(path) and "/" not in path and files.idle(url) > HOUR:
            yield Waste(output, path, "temporary", files.size(url))


def _of_job(directory: str, manifest: Manifest | None) -> Iterator[Waste]:
    needed = _needed(directory, manifest) if manifest else None
    for path in files.tree(directory):
        url = files.join(directory, path)
        folder, name = path.split("/")[0], path.rsplit("/", 1)[-1]
        if files.TEMPORARY.fullmatch(name):
            if files.idle(url) > HOUR:
                yield Waste(directory, path, "temporary", files.size(url))
        elif needed is not None and path not in needed:
            is_stale = folder in FOLDERS or (
                folder == DIRECTORY and _is_stale(directory, name, needed)
            )
            if is_stale and (folder not in UNDERWAY or files.idle(url) > HOUR):
                yield Waste(directory, path, "stale", files.size(url))


def _tombstones(directory: str, manifest: Manifest) -> Iterator[Waste]:
    for name in Tombstones(directory, manifest).stale:
        path = f"{FOLDER}/{name}{SUFFIX}"
        yield Waste(directory, path, "tombstones", files.size(files.join(directory, path)))


def _is_stale(directory: str, name: str, needed: set[str]) -> bool:
    """Tell whether a receipt speaks of files that are not needed."""
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


def _documents(output: str, jobs: list[str], known: set[str]) -> Iterator[Waste]:
    """Yield documents/, where every dataset of the output was made from them to the end."""
    tokenized = [each for each in jobs if _step_of(each) == "tokenize"]
    for directory in tokenized:
        chain = load_chain(directory)
        if chain.missing:
            raise UsageError(f"{output}: documents/ are still needed: {chain.missing}")
    first = [each for each in jobs if _step_of(each) == STEPS[0]]
    if not tokenized or not first:
        raise UsageError(
            f"{output}: documents/ are still needed: there are no shards made from them"
        )
    for path in files.tree(first[0]):
        if path.startswith("documents/") and path.endswith(".parquet") and path not in known:
            yield Waste(first[0], path, "documents", files.size(files.join(first[0], path)))


def render(found: Wasted, removed: bool) -> RenderableType:
    """Return what `clean` prints for people."""
    if not found.files:
        return unwrapped("nothing can go")
    table = numbers_table("Removed" if removed else "Can go", "", "files", "bytes")
    for kind, words in KINDS.items():
        mine = [each for each in found.files if each.kind == kind]
        if mine:
            size = sum(each.bytes for each in mine)
            table.add_row(words, formatting.count(len(mine)), formatting.size(size))
    lines = [] if removed else ["Nothing was removed: --yes does; --json names every file."]
    kinds = {each.kind for each in found.files}
    if "tombstones" in kinds and not removed:
        lines.append("What those tombstones forgot comes back, unless `forget` is called again.")
    if "documents" in kinds:
        lines.append("Without documents/ the next `prepare` of this output reads its inputs again.")
    return Group(table, Text(), unwrapped("\n".join(lines))) if lines else table
