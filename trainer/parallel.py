"""One process or many: the process group, sharding, precision, and initial weights.

A single process uses the same code as many, with a process group of size one.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from trainer.models.initialization import Initialization, initial_weight
from trainer.models.layers import Block, Decoder


@dataclass(frozen=True)
class DistributedContext:
    """The place of this process among the processes of a run.

    Attributes:
        rank: number of this process, from 0.
        world_size: number of processes.
        device: the device of this process.
    """

    rank: int
    world_size: int
    device: torch.device

    def barrier(self) -> None:
        """Wait until every process has called `barrier`."""
        dist.barrier()


@contextmanager
def distributed_context() -> Iterator[DistributedContext]:
    """Join the processes that torchrun started (or run as the only one) until the block ends."""
    rank, world_size = _variable("RANK", 0), _variable("WORLD_SIZE", 1)
    if torch.cuda.is_available():
        device = torch.device("cuda", _variable("LOCAL_RANK", 0))
        torch.cuda.set_device(device)
        backend = "cpu:gloo,cuda:nccl"
    else:
        device, backend = torch.device("cpu"), "gloo"
        torch.set_num_threads(max(1, _cores() // _variable("LOCAL_WORLD_SIZE", 1)))
    if world_size > 1:
        dist.init_process_group(backend)
    else:
        store = dist.HashStore()  # type: ignore[attr-defined]
        dist.init_process_group(backend, store=store, rank=0, world_size=1)
    try:
        yield DistributedContext(rank, world_size, device)
    finally:
        dist.destroy_process_group()


def _variable(name: str, default: int) -> int:
    """Return an environment variable that torchrun sets."""
    return int(os.environ.get(name, default))


def _cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def has_fast_bf16(device: torch.device) -> bool:
    """Return whether bfloat16 is faster than float32: on GPUs, and on CPUs with AMX tiles."""
    return device.type == "cuda" or bool(torch.cpu.get_capabilities().get("amx_tile"))


def shard(model: Decoder, context: DistributedContext, bf16: bool) -> None:
    """Split the parameters of a model on the meta device over the processes, block by block.

    Inputs are not cast to bfloat16, because loss weights and rotary tables must not be rounded.
    """
    mesh = init_device_mesh(context.device.type, (context.world_size,))
    policy = MixedPrecisionPolicy(
        param_dtype=torch.bfloat16 if bf16 else None,
        reduce_dtype=torch.float32,
        cast_forward_inputs=False,
    )
    for block in model.blocks:
        fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    model.to_empty(device=context.device)


def prepare_blocks(model: Decoder, compiled: bool, recompute: bool) -> None:
    """Compile each block (`compiled`), and let each recompute its activations (`recompute`)."""
    for block in model.blocks:
        assert isinstance(block, Block)
        block.recompute = recompute
        if compiled:
            block.body = torch.compile(block.body)


@torch.no_grad()
def initialize(model: Decoder, seed: int, initialization: Initialization = "gpt2") -> None:
    """Set the initial weights. They depend on the seed and each weight's name, not on world size.

    See `trainer.models.initialization` for the laws.
    """
    for name, parameter in model.named_parameters():
        full = initial_weight(model, name, parameter, seed, initialization)
        if isinstance(parameter, DTensor):
            sharded = distribute_tensor(
                full, parameter.device_mesh, parameter.placements, src_data_rank=None
            )
            parameter.to_local().copy_(sharded.to_local())
        else:
            parameter.copy_(full)
