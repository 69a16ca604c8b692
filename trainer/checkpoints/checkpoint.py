"""Checkpoints: written in the background, atomically, and read at any world size.

A checkpoint is a directory `checkpoints/STEP`: PyTorch's distributed checkpoint (tensors) and
`checkpoint.json` (a `RunState`). It is written as `checkpoints/.STEP.tmp`; `checkpoint.json` is
written last, then the directory is renamed. A directory without `checkpoint.json` is incomplete.
"""

import json
import os
import shutil
import warnings
from concurrent.futures import Future
from pickle import Unpickler, UnpicklingError
from typing import Any, TypedDict, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.metadata import Metadata, StorageMeta
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import async_save
from torch.optim import AdamW

from manifests.errors import DataError
from manifests.io import files
from trainer.optimization.optimizer import optimizer_tensors

STATE_FILE = "checkpoint.json"

METADATA = "torch.distributed.checkpoint.metadata"
METADATA_NAMES = (
    *("BytesStorageMetadata", "ChunkStorageMetadata", "Metadata", "MetadataIndex", "StorageMeta"),
    *("TensorProperties", "TensorStorageMetadata", "_MEM_FORMAT_ENCODING"),
)
TRUSTED = {
    *((METADATA, name) for name in METADATA_NAMES),
    ("torch.distributed.checkpoint.filesystem", "_StorageInfo"),
    ("torch", "Size"),
    ("torch.serialization", "_get_layout"),
    ("pathlib", "PosixPath"),
    ("pathlib._local", "PosixPath"),
}
"""The names that the pickled `.metadata` of a checkpoint may use, besides torch's dtypes."""


class RunState(TypedDict):
    """The state of a run besides its tensors."""

    progress: dict[str, Any]
    """The fields of `train.Progress`, except `position`."""
    stream: dict[str, Any]
    """`Stream.state_dict` at the end of the last update."""
    world_size: int
    """Number of processes that wrote the checkpoint."""


def complete_steps(directory: str) -> list[int]:
    """Return the steps of the complete checkpoints in `directory`, ascending."""
    names = [name for name in files.list_names(directory) if name.isdigit()]
    return sorted(int(n) for n in names if files.exists(files.join(directory, n, STATE_FILE)))


def read_run_state(directory: str, step: int) -> RunState:
    """Return the state in the checkpoint of a step."""
    return cast(RunState, json.loads(files.read_bytes(_path(directory, step, STATE_FILE))))


def load_model(directory: str, step: int, model: nn.Module) -> None:
    """Read the weights of a checkpoint into a model that is not sharded, in one process."""
    _load(_path(directory, step), _prefixed("model", model.state_dict()), no_dist=True)


class Checkpoints:
    """The checkpoints of a run; all its processes call each method."""

    def __init__(self, directory: str, keep: int, rank: int) -> None:
        """Remove incomplete checkpoints of a killed process.

        Args:
            directory: of the checkpoints.
            keep: number of checkpoints to keep.
            rank: of this process.
        """
        self._directory, self._keep, self._rank = directory, keep, rank
        # async_save runs collectives in a thread; a group of its own keeps them apart from the
        # collectives of the training loop.
        self._group = cast(dist.ProcessGroup, dist.new_group(backend="gloo"))
        self._pending: tuple[int, RunState, Future[Any]] | None = None
        if rank == 0:
            os.makedirs(directory, exist_ok=True)
            for name in os.listdir(directory):
                if name.startswith(".") and name.endswith(".tmp"):
                    shutil.rmtree(os.path.join(directory, name))
        dist.barrier(self._group)

    def save(self, step: int, model: nn.Module, optimizer: AdamW, state: RunState) -> None:
        """Copy the tensors, and write the copies in the background."""
        self.finish()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            future = async_save(
                _tensors(model, optimizer),
                checkpoint_id=self._temporary(step),
                process_group=self._group,
            )
        self._pending = step, state, cast("Future[Any]", future)

    def poll(self) -> None:
        """Finish the pending checkpoint if all its tensors are written."""
        if self._pending is not None and self._pending[2].done():
            self.finish()

    def finish(self) -> None:
        """Wait for the pending checkpoint, rename it, and remove the oldest ones."""
        if self._pending is None:
            return
        step, state, future = self._pending
        self._pending = None
        future.result()
        if self._rank:
            return
        files.write_json(files.join(self._temporary(step), STATE_FILE), state)
        path = _path(self._directory, step)
        shutil.rmtree(path, ignore_errors=True)
        os.replace(self._temporary(step), path)
        for old in complete_steps(self._directory)[: -self._keep]:
            shutil.rmtree(_path(self._directory, old))

    def load(self, step: int, model: nn.Module, optimizer: AdamW) -> None:
        """Read model, optimizer and random state from a checkpoint, at this world size."""
        tensors = _tensors(model, optimizer)
        _load(_path(self._directory, step), tensors, no_dist=False)
        torch.set_rng_state(tensors["random"])

    def _temporary(self, step: int) -> str:
        """Return the path of a checkpoint while it is written."""
        return files.join(self._directory, f".{step:08d}.tmp")


def _path(directory: str, step: int, *names: str) -> str:
    return files.join(directory, f"{step:08d}", *names)


def _prefixed(prefix: str, tensors: dict[str, Any]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _tensors(model: nn.Module, optimizer: AdamW) -> dict[str, Tensor]:
    """Return all tensors of a checkpoint, without copying them."""
    return {
        **_prefixed("model", model.state_dict()),
        **_prefixed("optimizer", optimizer_tensors(model, optimizer)),
        "random": torch.get_rng_state(),
    }


def _load(path: str, tensors: dict[str, Tensor], no_dist: bool) -> None:
    """Read a checkpoint into `tensors`; DataError where it does not fit."""
    faults = (CheckpointException, RuntimeError, OSError, ValueError, EOFError, UnpicklingError)
    try:
        reader = _Reader(path)
        reader.read_metadata()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)
            load(cast(dict[str, Any], tensors), storage_reader=reader, no_dist=no_dist)
    except faults as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
        raise DataError(f"{path}: cannot be read into this model: {reason}") from error


class _Reader(FileSystemReader):
    """PyTorch's reader, which here unpickles `.metadata` with TRUSTED names only."""

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        with open(os.path.join(str(self.path), ".metadata"), "rb") as source:
            metadata = cast(Metadata, _Unpickler(source).load())
        metadata.storage_meta = metadata.storage_meta or StorageMeta()
        metadata.storage_meta.load_id = self.load_id
        return metadata


class _Unpickler(Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return a class or function that a pickle names; refuse what is not in TRUSTED."""
        dtype = module == "torch" and isinstance(getattr(torch, name, None), torch.dtype)
        if not dtype and (module, name) not in TRUSTED:
            raise UnpicklingError(f".metadata uses {module}.{name}, which is not trusted")
        return super().find_class(module, name)
