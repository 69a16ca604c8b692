"""The files of a checkpoint's tensors: PyTorch's distributed checkpoint, with checksums.

Each process hashes the files that it has written, in the thread that writes them. The first process
collects the checksums and writes checkpoint.json last.
"""

import json
import os
import warnings
from pathlib import Path
from pickle import Unpickler, UnpicklingError
from typing import Any, cast

import torch
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint.metadata import Metadata, StorageMeta
from torch.distributed.checkpoint.planner import SavePlan, SavePlanner
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.storage import WriteResult
from torch.futures import Future

from manifests.errors import DataError
from manifests.io import files
from trainer.checkpoints.state import FileRecord, RunState, file_record, write_state

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


class ChecksumWriter(FileSystemWriter):
    """PyTorch's writer, which also writes checkpoint.json with the checksum of each file."""

    def __init__(self, path: str, state: RunState, rank: int) -> None:
        """Write to the directory `path`, in the process of `rank`."""
        super().__init__(path)
        self._directory, self._state, self._rank = Path(path), state, rank

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Future[list[WriteResult]]:
        """Write the tensors of this process, and the checksums of their files."""
        written = super().write_data(plan, planner)
        written.wait()
        names = [path.name for path in self._directory.glob(f"__{self._rank}_*.distcp")]
        records = {name: file_record(str(self._directory / name)) for name in names}
        files.write_json(str(self._sums(self._rank)), records)
        return written

    def finish(self, metadata: Metadata, results: list[list[WriteResult]]) -> None:
        """Write `.metadata` and checkpoint.json, in the first process, after all have written."""
        super().finish(metadata, results)
        records = {".metadata": file_record(str(self._directory / ".metadata"))}
        for rank in range(len(results)):
            sums = self._sums(rank)
            records |= cast(dict[str, FileRecord], json.loads(sums.read_bytes()))
            sums.unlink()
        write_state(str(self._directory), self._state, records)

    def _sums(self, rank: int) -> Path:
        """Return the path of the checksums of a process's files."""
        return self._directory / f"{rank}.sums.json"


def read_tensors(path: str, tensors: dict[str, Tensor], no_dist: bool) -> None:
    """Read the checkpoint at `path` into `tensors`; DataError where it does not fit.

    Args:
        path: of the checkpoint.
        tensors: the tensors by their names in the checkpoint; their values are replaced.
        no_dist: whether this process reads alone.
    """
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
