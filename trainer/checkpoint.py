"""Checkpoints: written in the background, whole or not at all, read back at any world size.

A checkpoint is a directory `checkpoints/STEP`: PyTorch's distributed checkpoint (tensors only) and
`checkpoint.json` (everything else). It is written as `checkpoints/.STEP.tmp`; the JSON goes in
last, then the directory takes its name. Without both, it is no checkpoint.
"""

import json
import os
import shutil
import warnings
from concurrent.futures import Future
from pickle import Unpickler, UnpicklingError
from typing import Any, cast

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
from trainer.optimizer import optimizer_tensors

MARKER = "checkpoint.json"
HARMLESS = {
    *(
        ("torch.distributed.checkpoint.metadata", name)
        for name in (
            "BytesStorageMetadata",
            "ChunkStorageMetadata",
            "Metadata",
            "MetadataIndex",
            "StorageMeta",
            "TensorProperties",
            "TensorStorageMetadata",
            "_MEM_FORMAT_ENCODING",
        )
    ),
    ("torch.distributed.checkpoint.filesystem", "_StorageInfo"),
    ("torch", "Size"),
    ("torch.serialization", "_get_layout"),
    ("pathlib", "PosixPath"),
    ("pathlib._local", "PosixPath"),
}
"""All that the pickled table of contents of a checkpoint may name, beside torch's dtypes."""


def whole_steps(directory: str) -> list[int]:
    """Return the steps of the whole checkpoints of `directory`, ascending."""
    names = [name for name in files.list_names(directory) if name.isdigit()]
    return sorted(int(n) for n in names if files.exists(files.join(directory, n, MARKER)))


def read_facts(directory: str, step: int) -> dict[str, Any]:
    """Return what a checkpoint says beside its tensors."""
    return cast(dict[str, Any], json.loads(files.read_bytes(_place(directory, step, MARKER))))


def load_model(directory: str, step: int, model: nn.Module) -> None:
    """Fill a model that is not sharded with a checkpoint's weights, without a process group."""
    _load(_place(directory, step), _named("model", model.state_dict()), alone=True)


class Checkpoints:
    """The checkpoints of a run, as its processes write and read them together."""

    def __init__(self, directory: str, keep: int, rank: int) -> None:
        """Remove what a killed process left unfinished."""
        self._directory, self._keep, self._rank = directory, keep, rank
        # Its collectives run in a thread, so they must not meet those of the training loop.
        self._group = cast(dist.ProcessGroup, dist.new_group(backend="gloo"))
        self._pending: tuple[int, dict[str, Any], Future[Any]] | None = None
        if rank == 0:
            os.makedirs(directory, exist_ok=True)
            for name in os.listdir(directory):
                if name.startswith(".") and name.endswith(".tmp"):
                    shutil.rmtree(os.path.join(directory, name))
        dist.barrier(self._group)

    def save(self, step: int, model: nn.Module, optimizer: AdamW, facts: dict[str, Any]) -> None:
        """Copy the state now, and write it while training goes on."""
        self.finish()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            future = async_save(
                _tensors(model, optimizer),
                checkpoint_id=self._temporary(step),
                process_group=self._group,
            )
        self._pending = step, facts, cast("Future[Any]", future)

    def poll(self) -> None:
        """Finish the checkpoint that is being written, if all its tensors are."""
        if self._pending is not None and self._pending[2].done():
            self.finish()

    def finish(self) -> None:
        """Wait for the checkpoint that is being written, and give it its name."""
        if self._pending is None:
            return
        step, facts, future = self._pending
        self._pending = None
        future.result()
        if self._rank:
            return
        files.write_json(files.join(self._temporary(step), MARKER), facts)
        place = _place(self._directory, step)
        shutil.rmtree(place, ignore_errors=True)
        os.replace(self._temporary(step), place)
        for old in whole_steps(self._directory)[: -self._keep]:
            shutil.rmtree(_place(self._directory, old))

    def load(self, step: int, model: nn.Module, optimizer: AdamW) -> None:
        """Fill model, optimizer and random state from a checkpoint, resharded to this world."""
        tensors = _tensors(model, optimizer)
        _load(_place(self._directory, step), tensors, alone=False)
        torch.set_rng_state(tensors["random"])

    def _temporary(self, step: int) -> str:
        return files.join(self._directory, f".{_name(step)}.tmp")


def _name(step: int) -> str:
    return f"{step:08d}"


def _place(directory: str, step: int, *names: str) -> str:
    return files.join(directory, _name(step), *names)


def _named(prefix: str, tensors: dict[str, Any]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _tensors(model: nn.Module, optimizer: AdamW) -> dict[str, Tensor]:
    return {
        **_named("model", model.state_dict()),
        **_named("optimizer", optimizer_tensors(model, optimizer)),
        "random": torch.get_rng_state(),
    }


def _load(place: str, tensors: dict[str, Tensor], alone: bool) -> None:
    faults = (CheckpointException, RuntimeError, OSError, ValueError, EOFError, UnpicklingError)
    try:
        reader = _Reader(place)
        reader.read_metadata()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)
            load(cast(dict[str, Any], tensors), storage_reader=reader, no_dist=alone)
    except faults as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
        raise DataError(f"{place}: cannot be read into this model: {reason}") from error


class _Reader(FileSystemReader):
    """PyTorch's reader, but its pickled table of contents may name tables of contents only."""

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        with open(os.path.join(str(self.path), ".metadata"), "rb") as source:
            metadata = cast(Metadata, _Unpickler(source).load())
        metadata.storage_meta = metadata.storage_meta or StorageMeta()
        metadata.storage_meta.load_id = self.load_id
        return metadata


class _Unpickler(Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        dtype = module == "torch" and isinstance(getattr(torch, name, None), torch.dtype)
        if not dtype and (module, name) not in HARMLESS:
            raise UnpicklingError(f".metadata asks for {module}.{name}, and is not trusted")
        return super().find_class(module, name)
