"""Writes the demo's corpus: what is chosen, where it goes, and what is there already."""

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import Distribution
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from filters.licenses.policy import judge_licenses, load_policy
from manifests.io import files
from manifests.io.digest import canonical_json
from manifests.errors import UsageError
from pipelines.demo import layouts
from pipelines.demo.layouts import CodeFile
from pipelines.demo.packages import Package, choose, environment, hash64, installed, package
from pipelines.demo.prose import Prose, prose

FORMAT = 1
"""Raised when the same environment gives other files."""

MTIME = 1_700_000_000
"""Of every file, in seconds: parts are named by it, and two demos give the same parts."""

RECEIPT = "GATHERED.json"

CORPUS = """\
# What the demo's three jobs read: installed Python packages in the layouts of the public data sets.
output = "out"

[[source]]
name = "the-stack"
kind = "the-stack"
files = "data/stack/data/*/*.parquet"
priority = 1
license = { policy = "strict", missing = "reject" }

[[source]]
name = "starcoderdata"
kind = "starcoderdata"
files = "data/starcoderdata/*/*.parquet"
priority = 2
license = { missing = "accept" }

[[source]]
name = "the-pile"
kind = "the-pile"
files = "data/pile/train/*.jsonl.zst"
priority = 3
license = { missing = "accept" }

[dedup]
profile = "stack-v1.2"
scope = "all"

[tokenize]
tokenizer = { train = 4096 }
heldout = 0.05
"""

NOTES = """\
# Where this corpus comes from

Source files, READMEs and docstrings of the Python packages that were installed beside Stackpile, in
the layouts of three public data sets. Texts are as their authors shipped them. What an installed
package does not tell is filled in like this:

- `stack/`, in the columns of The Stack v1.1: repositories are the GitHub names of the packages'
  metadata, else pypi/NAME; all three groups of columns name the same one; the commit is the SHA-1
  of NAME==VERSION; stars and dates are null. Licenses are what the metadata declare, copyleft too.
- `starcoderdata/`, in the columns of StarCoderData: permissive files only, most of them also in
  `stack/`; each part of the prefix stands with a chance of 0.2, and `<gh_stars>` always says 0.
- `pile/`, in the lines of the Pile: READMEs under the set's name "Pile-CC", docstrings under
  "StackExchange", license texts under "FreeLaw", which are the nearest of the Pile's sets.
"""


@dataclass(frozen=True)
class Gathered:
    """What the corpus holds.

    Attributes:
        packages: distributions that it was taken from.
        documents, bytes: for each directory of data/; bytes of text.
        files: paths relative to the demo's directory, with their sizes on disk.
        fresh: False where all of it was there already.
    """

    packages: int
    documents: dict[str, int]
    bytes: dict[str, int]
    files: dict[str, int]
    fresh: bool = True


def gather(directory: str, megabytes: float = 20) -> Gathered:
    """Write CORPUS.toml, NOTES.md and about so many megabytes of text under `directory`/data.

    The bytes depend on the installed packages alone. Nothing is done where all of it is there.

    Raises:
        UsageError: the directory holds the corpus of another environment.
    """
    found = installed()
    digest = _digest(found, megabytes)
    receipt = files.join(directory, "data", RECEIPT)
    there = _whole(directory, receipt, digest)
    if there:
        return there
    budget = int(megabytes * 1e6)
    with _progress() as progress:
        task = progress.add_task("packages", total=len(found))
        packages = [package(d) for d in progress.track(found, task_id=task)]
        gathered = _write(directory, packages, budget, progress)
    files.write_json(receipt, {"digest": digest, "gathered": asdict(gathered)})
    return gathered


def _digest(found: Sequence[Distribution], megabytes: float) -> str:
    facts = [FORMAT, megabytes, environment(found), sys.version_info[:2]]
    return hashlib.sha256(canonical_json(facts)).hexdigest()


def _whole(directory: str, receipt: str, digest: str) -> Gathered | None:
    """Return what the receipt says, if every file is as written."""
    if not files.exists(receipt):
        return None
    known = json.loads(files.read_bytes(receipt))
    if known["digest"] != digest:
        raise UsageError(
            f"{directory}: holds the corpus of other packages than are installed here; delete it, "
            "or name another directory"
        )
    for path, size in known["gathered"]["files"].items():
        place = Path(directory, path)
        if not place.exists() or place.stat().st_size != size or place.stat().st_mtime != MTIME:
            return None
    return Gathered(**known["gathered"] | {"fresh": False})


def _write(
    directory: str, packages: Sequence[Package], budget: int, progress: Progress
) -> Gathered:
    task = progress.add_task("documents", total=None)
    code = list(_read(packages, int(budget * 0.6)))
    stack = [file for file in code if _lot(file) < 8]
    stars = _permissive([file for file in code if _lot(file) >= 5])
    texts = prose(packages, int(budget * 0.25))
    sources: list[tuple[str, Iterator[tuple[str, bytes]]]] = [
        ("stack", layouts.the_stack(stack)),
        ("starcoderdata", layouts.starcoderdata(stars)),
        ("pile", layouts.the_pile(texts)),
    ]
    written: dict[str, int] = {}
    for source, contents in sources:
        for name, data in contents:
            path = f"data/{source}/{name}"
            _put(directory, path, data)
            written[path] = len(data)
            progress.update(task, advance=1)
    for path, text in (("CORPUS.toml", CORPUS), ("data/NOTES.md", NOTES)):
        _put(directory, path, text.encode())
        written[path] = len(text.encode())
    counted: dict[str, Sequence[CodeFile | Prose]] = {
        "stack": stack,
        "starcoderdata": stars,
        "pile": texts,
    }
    return Gathered(
        packages=len(packages),
        documents={name: len(items) for name, items in counted.items()},
        bytes={name: _bytes(items) for name, items in counted.items()},
        files=written,
    )


def _lot(file: CodeFile) -> int:
    """One of ten: 0 to 4 go to `stack/`, 8 and 9 to `starcoderdata/`, the rest to both."""
    return hash64("lot", file.file.path) % 10


def _read(packages: Sequence[Package], budget: int) -> Iterator[CodeFile]:
    for owner, file in choose(packages, budget):
        text = file.read()
        if text:
            yield CodeFile(owner, file, text)


def _permissive(code: Sequence[CodeFile]) -> list[CodeFile]:
    """StarCoderData was made of The Stack's permissive files."""
    verdicts = judge_licenses(
        load_policy("stack-v1.1"), [list(file.package.licenses) for file in code], "reject"
    )
    return [file for file, kept in zip(code, verdicts.kept, strict=True) if kept]


def _bytes(items: Sequence[CodeFile | Prose]) -> int:
    return sum(len(item.text.encode()) for item in items)


def _put(directory: str, path: str, data: bytes) -> None:
    """Write a file, unless it is there to the byte; its time is fixed before it has its name."""
    place = Path(directory, path)
    if place.exists() and place.stat().st_mtime == MTIME and place.read_bytes() == data:
        return
    with files.replacing(str(place)) as output:
        output.write(data)
        output.flush()
        os.utime(output.fileno(), (MTIME, MTIME))


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(console=console, disable=not console.is_terminal)
