"""An update that does not fit in memory: what `train --plan` says, and a micro-batch that fits."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from manifests.errors import DataError
from trainer.config import RunConfig
from trainer.estimate import memory_of
from trainer.parallel import DistributedContext
from trainer.run import Run

CPU_ALLOCATOR = "DefaultCPUAllocator"
"""Word of the RuntimeError that torch raises for memory that a CPU cannot allocate."""


@contextmanager
def explained(run: Run, context: DistributedContext) -> Iterator[None]:
    """Turn an out-of-memory error of torch inside the block into one sentence.

    Args:
        run: the run.
        context: the processes.

    Raises:
        DataError: the memory does not suffice. Each process that lacks memory says so.
    """
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and CPU_ALLOCATOR not in str(error):
            raise
        total = None
        if context.device.type == "cuda":
            total = torch.cuda.mem_get_info(context.device)[1]
        raise DataError(f"{run.path}: {advice(run, context.world_size, total)}") from error


def advice(run: Run, processes: int, available: int | None) -> str:
    """Return what the memory of an update is, and what makes it smaller.

    Args:
        run: the run.
        processes: their number.
        available: bytes of a process; None if they are not known.
    """
    config = run.config
    rows = config.batch.micro_batch
    text = f"the memory does not suffice: `train --plan` says {_size(run, config, processes)}"
    share = config.batch.sequences // processes
    smaller = [n for n in range(rows - 1, 0, -1) if share % n == 0]
    for number in smaller:
        fewer = _with_rows(config, number)
        if available is None or _bytes(run, fewer, processes) < available or number == 1:
            return f"{text}, and {_size(run, fewer, processes)}"
    if config.activation_checkpointing:
        return f"{text}; start more processes"
    recomputing = config.model_copy(update={"activation_checkpointing": True})
    gibibytes = _bytes(run, recomputing, processes) / 2**30
    return f"{text}, and {gibibytes:.2f} GiB with activation_checkpointing = true"


def _size(run: Run, config: RunConfig, processes: int) -> str:
    gibibytes = _bytes(run, config, processes) / 2**30
    return f"{gibibytes:.2f} GiB for a process with batch.micro_batch = {config.batch.micro_batch}"


def _bytes(run: Run, config: RunConfig, processes: int) -> int:
    return memory_of(run.empty_model(), config, processes).total


def _with_rows(config: RunConfig, rows: int) -> RunConfig:
    batch = config.batch.model_copy(update={"micro_batch": rows})
    return config.model_copy(update={"batch": batch})
