"""Checkpoints: written in the background, atomically, and read at any world size.

A checkpoint is a directory `checkpoints/STEP`: PyTorch's distributed checkpoint (tensors) and
checkpoint.json. It is written as `checkpoints/.STEP.tmp` and renamed when it is complete. A damaged
checkpoint is never loaded: a run continues from the newest whole one.
"""

import json
import logging
import os
import shutil
import warnings
from concurrent.futures import Future
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.staging import DefaultStager, StagingOptions
from torch.distributed.checkpoint.state_dict_saver import async_save
from torch.distributed.tensor import DTensor
from torch.optim import AdamW

from manifests.errors import DataError
from manifests.io import files
from trainer.checkpoints.lease import Lease
from trainer.checkpoints.state import (
    RunState,
    check_files,
    checkpoint_path,
    checkpoint_steps,
    chosen_step,
    read_state,
)
from trainer.checkpoints.storage import ChecksumWriter, read_tensors
from trainer.config import CheckpointConfig
from trainer.optimization.optimizer import optimizer_tensors
from trainer.parallel import DistributedContext

LOG = logging.getLogger(__name__)


def load_model(
    directory: str, step: int, model: nn.Module, context: DistributedContext | None = None
) -> None:
    """Read the weights of a checkpoint into a model.

    Args:
        directory: of the checkpoints.
        step: of the checkpoint.
        model: sharded over the processes of `context`, all of which call this function; not
            sharded without a context.
        context: the processes; None for one process.

    Raises:
        DataError: the checkpoint is damaged, or is of another model.
    """
    check_files(directory, step, *((context.rank, context.world_size) if context else ()))
    tensors = _prefixed("model", model.state_dict())
    read_tensors(checkpoint_path(directory, step), tensors, no_dist=context is None)


class Checkpoints:
    """The checkpoints of a run; all its processes call each method."""

    def __init__(
        self,
        directory: str,
        config: CheckpointConfig,
        context: DistributedContext,
        lease: Lease | None = None,
    ) -> None:
        """Remove incomplete checkpoints of a killed process.

        Args:
            directory: of the checkpoints.
            config: how many checkpoints are kept.
            context: the processes.
            lease: of the run's directory, which is checked before each write; None in processes
                of other ranks than 0.
        """
        self._directory, self._config, self._context = directory, config, context
        self._lease = lease
        # async_save runs collectives in a thread; a group of its own keeps them apart from the
        # collectives of the training loop.
        self._group = cast(dist.ProcessGroup, dist.new_group(backend="gloo"))
        cuda = context.device.type == "cuda"
        options = StagingOptions(
            use_pinned_memory=cuda,
            use_shared_memory=False,
            use_async_staging=False,
            use_non_blocking_copy=cuda,
        )
        self._stager = DefaultStager(options)
        self._pending: tuple[int, Future[Any]] | None = None
        if context.rank == 0:
            os.makedirs(directory, exist_ok=True)
            for name in os.listdir(directory):
                if name.startswith(".") and name.endswith(".tmp"):
                    shutil.rmtree(os.path.join(directory, name))
        context.barrier()

    def select(self, start: int | None = None) -> RunState | None:
        """Return the state of the newest whole checkpoint; None without checkpoints.

        Args:
            start: only the checkpoint of this step.

        Raises:
            DataError: there are checkpoints, and none of them is whole.
            UsageError: there is no checkpoint of the step `start`.
        """
        steps = checkpoint_steps(self._directory)
        if start is not None:
            steps = [chosen_step(self._directory, start)]
        # Each step below needs all processes, and a shared file system may show other lists.
        steps = json.loads(self._context.broadcast(json.dumps(steps)))
        for step in reversed(steps):
            if self._is_whole(step):
                return read_state(self._directory, step)
        if steps:
            raise DataError(f"{self._directory}: none of the checkpoints of steps {steps} is whole")
        return None

    def _is_whole(self, step: int) -> bool:
        """Check the files of a checkpoint, each in one of the processes; log what is damaged."""
        damaged = False
        try:
            check_files(self._directory, step, self._context.rank, self._context.world_size)
        except DataError as error:
            LOG.warning("%s", error)
            damaged = True
        return not self._context.any(damaged)

    def load(self, step: int, model: nn.Module, optimizer: AdamW) -> None:
        """Read model, optimizer and random state from a checkpoint, at this world size."""
        tensors = _tensors(model, optimizer)
        read_tensors(checkpoint_path(self._directory, step), tensors, no_dist=False)
        torch.set_rng_state(tensors["random"])

    def set_aside_after(self, step: int) -> None:
        """Rename the checkpoints after a step, which are damaged or which the run leaves behind."""
        if self._context.rank == 0:
            for later in checkpoint_steps(self._directory):
                if later > step:
                    self._set_aside(later)
        self._context.barrier()

    def _set_aside(self, step: int) -> None:
        """Rename a checkpoint, so that it is neither continued nor counted."""
        path = checkpoint_path(self._directory, step)
        unused = f"{path}.unused"
        shutil.rmtree(unused, ignore_errors=True)
        os.replace(path, unused)
        LOG.warning("%s: is renamed to %s", path, os.path.basename(unused))

    def save(self, step: int, model: nn.Module, optimizer: AdamW, state: RunState) -> None:
        """Copy the tensors, and write the copies in the background.

        Raises:
            DataError: a tensor has a value that is not finite.
        """
        self.finish()
        self._check_lease()
        tensors = _tensors(model, optimizer)
        self._check_finite(step, tensors)
        path = self._temporary(step)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            future = async_save(
                cast(dict[str, Any], tensors),
                checkpoint_id=path,
                storage_writer=ChecksumWriter(path, state, self._context.rank),
                async_stager=self._stager,
                process_group=self._group,
            )
        self._pending = step, cast("Future[Any]", future)

    def _check_finite(self, step: int, tensors: dict[str, Tensor]) -> None:
        """Raise DataError if a tensor of any process has a value that is not finite."""
        parts = (t.to_local() if isinstance(t, DTensor) else t for t in tensors.values())
        spoiled = any(
            part.is_floating_point() and not bool(torch.isfinite(part).all()) for part in parts
        )
        if self._context.any(spoiled):
            steps = checkpoint_steps(self._directory)
            newest = f"the newest one is of step {steps[-1]}" if steps else "there is none yet"
            raise DataError(
                f"{self._directory}: the weights or the optimizer's state at step {step} are not "
                f"finite, so no checkpoint is written; {newest}"
            )

    def poll(self) -> None:
        """Finish the pending checkpoint if all its files are written."""
        if self._pending is not None and self._pending[1].done():
            self.finish()

    def finish(self) -> None:
        """Wait for the pending checkpoint, rename it, and remove the oldest ones."""
        if self._pending is None:
            return
        step, future = self._pending
        self._pending = None
        path, temporary = checkpoint_path(self._directory, step), self._temporary(step)
        try:
            future.result()
        except CheckpointException as error:
            if self._context.rank == 0:
                shutil.rmtree(temporary, ignore_errors=True)
            raise _cause(path, error) from error
        if self._context.rank:
            return
        self._check_lease()
        self._remove(step)
        os.replace(temporary, path)
        keep_every = self._config.keep_every
        for old in checkpoint_steps(self._directory)[: -self._config.keep]:
            if not keep_every or old % keep_every:
                self._remove(old)

    def close(self) -> None:
        """Finish the pending checkpoint, and release the memory of the copies."""
        try:
            self.finish()
        finally:
            self._stager.close()

    def _remove(self, step: int) -> None:
        """Remove a checkpoint, if it exists; a killed process leaves no part of it under its name.

        The name of the removed directory is that of an incomplete checkpoint.
        """
        path, removed = checkpoint_path(self._directory, step), f".{step:08d}.removed.tmp"
        if os.path.exists(path):
            removed = files.join(self._directory, removed)
            os.replace(path, removed)
            shutil.rmtree(removed)

    def _check_lease(self) -> None:
        if self._lease is not None:
            self._lease.check()

    def _temporary(self, step: int) -> str:
        """Return the path of a checkpoint while it is written."""
        return files.join(self._directory, f".{step:08d}.tmp")


def _cause(path: str, error: CheckpointException) -> Exception:
    """Return the error of the process that could not write a checkpoint."""
    for cause, _ in error.failures.values():
        if isinstance(cause, OSError):
            return cause
    reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
    return DataError(f"{path}: cannot be written: {reason}")


def _prefixed(prefix: str, tensors: dict[str, Any]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _tensors(model: nn.Module, optimizer: AdamW) -> dict[str, Tensor]:
    """Return all tensors of a checkpoint, without copying them."""
    return {
        **_prefixed("model", model.state_dict()),
        **_prefixed("optimizer", optimizer_tensors(model, optimizer)),
        "random": torch.get_rng_state(),
    }
