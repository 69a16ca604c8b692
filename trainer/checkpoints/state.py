"""checkpoint.json: the state of a run besides its tensors, and the checksum of each file.

A checkpoint is a directory `checkpoints/STEP`. It is whole if checkpoint.json carries the digest of
its own content (`seal`), and each file that it lists has the listed size and SHA-256.
"""

import json
import os
from collections.abc import Mapping
from typing import Any, TypedDict, cast

from manifests.errors import DataError, UsageError
from manifests.io import files
from manifests.io.digest import canonical_json, digest

STATE_FILE = "checkpoint.json"


class RunState(TypedDict):
    """The state of a run besides its tensors."""

    progress: dict[str, Any]
    """The fields of `metrics.Progress`, except `position`."""
    stream: dict[str, Any]
    """`Stream.state_dict` at the end of the last update."""
    guard: dict[str, Any]
    """`UpdateGuard.state_dict`."""
    losses: list[Any]
    """`LossTable.state_dict`."""
    config: str
    """The run.toml of the run that wrote the checkpoint."""
    world_size: int
    """Number of processes that wrote the checkpoint."""


class FileRecord(TypedDict):
    """A file of a checkpoint."""

    bytes: int
    sha256: str


def checkpoint_path(directory: str, step: int, *names: str) -> str:
    """Return the path of a checkpoint, or of a file in it."""
    return files.join(directory, f"{step:08d}", *names)


def checkpoint_steps(directory: str) -> list[int]:
    """Return the steps of the checkpoints in `directory`, damaged ones too, ascending."""
    return sorted(int(name) for name in files.list_names(directory) if name.isdigit())


def file_record(path: str) -> FileRecord:
    """Return the size and the SHA-256 of a file."""
    return {"bytes": files.size(path), "sha256": files.sha256(path)}


def write_state(path: str, state: RunState, records: Mapping[str, FileRecord]) -> None:
    """Write the checkpoint.json of the checkpoint at `path`, whose other files are complete.

    Args:
        path: of the checkpoint.
        state: its state.
        records: name of a file -> its record.
    """
    content = {**state, "files": dict(records)}
    files.write_json(files.join(path, STATE_FILE), {**content, "seal": digest(content)})


def read_state(directory: str, step: int) -> RunState:
    """Return the state in the checkpoint of a step.

    Raises:
        DataError: checkpoint.json is missing or damaged.
    """
    return _read(directory, step)[0]


def checkpoint_digest(directory: str, step: int) -> str:
    """Return the SHA-256 of the names, sizes and checksums of a checkpoint's other files."""
    return digest(_read(directory, step)[1])


def check_files(directory: str, step: int, part: int = 0, parts: int = 1) -> None:
    """Check the files of a checkpoint against its checksums; DataError if one is damaged.

    Args:
        directory: of the checkpoints.
        step: of the checkpoint.
        part: number of this process, from 0. Each process checks every `parts`-th file.
        parts: number of processes.
    """
    _, records = _read(directory, step)
    for name in sorted(records)[part::parts]:
        path, record = checkpoint_path(directory, step, name), records[name]
        if not os.path.exists(path):
            raise DataError(f"{path}: is missing")
        if (size := files.size(path)) != record["bytes"]:
            raise DataError(f"{path}: has {size} bytes; {STATE_FILE} says {record['bytes']}")
        if files.sha256(path) != record["sha256"]:
            raise DataError(f"{path}: is damaged: its SHA-256 is not that of {STATE_FILE}")


def _read(directory: str, step: int) -> tuple[RunState, dict[str, FileRecord]]:
    """Return the state of a checkpoint, and the records of its files."""
    path = checkpoint_path(directory, step, STATE_FILE)
    data = files.read_bytes(path)
    try:
        content = json.loads(data)
        seal, records = content.pop("seal"), content.pop("files")
    except (ValueError, KeyError, AttributeError, TypeError):
        raise DataError(f"{path}: is damaged") from None
    sealed = {**content, "files": records}
    if seal != digest(sealed) or data != canonical_json({**sealed, "seal": seal}) + b"\n":
        raise DataError(f"{path}: is damaged: its seal does not match its content")
    return cast(RunState, content), records


def chosen_step(directory: str, step: int | None = None) -> int:
    """Return `step`, or the step of the last checkpoint.

    Raises:
        UsageError: there is no such checkpoint.
    """
    steps = checkpoint_steps(directory)
    if not steps:
        raise UsageError(f"{directory}: has no checkpoint yet")
    if step is not None and step not in steps:
        raise UsageError(f"{directory}: has no checkpoint of step {step}, only of {steps}")
    return steps[-1] if step is None else step
