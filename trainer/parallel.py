"""One process or many: the process group, sharding, precision, and initial weights.

A single process takes the same road as many, with a process group of one.
"""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import HashStore
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from manifests.prng.splitmix import derive
from trainer.models.layers import Block, Decoder

INITIAL_DEVIATION = 0.02
"""Standard deviation of new weights (GPT-2; `initializer_range` of codegen2's config.json)."""


@dataclass(frozen=True)
class World:
    """The processes of a run, as torchrun starts them; alone without it."""

    rank: int
    size: int
    device: torch.device

    def wait(self) -> None:
        """Return when every process has come here."""
        dist.barrier()


@contextmanager
def open_world() -> Iterator[World]:
    """Join the processes that torchrun started (or be the only one) until the block ends."""
    rank, size = _variable("RANK", 0), _variable("WORLD_SIZE", 1)
    if torch.cuda.is_available():
        device = torch.device("cuda", _variable("LOCAL_RANK", 0))
        torch.cuda.set_device(device)
        backend = "cpu:gloo,cuda:nccl"
    else:
        device, backend = torch.device("cpu"), "gloo"
        torch.set_num_threads(max(1, _cores() // _variable("LOCAL_WORLD_SIZE", 1)))
    if size > 1:
        dist.init_process_group(backend)
    else:
        dist.init_process_group(backend, store=HashStore(), rank=0, world_size=1)
    try:
        yield World(rank, size, device)
    finally:
        dist.destroy_process_group()


def _variable(name: str, default: int) -> int:
    return int(os.environ.get(name, default))


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def has_bf16(device: torch.device) -> bool:
    """Tell whether bfloat16 is fast there: on GPUs, and on CPUs with AMX tiles."""
    return device.type == "cuda" or torch.cpu._is_amx_tile_supported()


def shard(model: Decoder, world: World, bf16: bool) -> None:
    """Split the parameters of a model on the meta device over the processes, block by block.

    Activations keep their types: loss weights and rotary tables must not be rounded to bfloat16.
    """
    mesh = init_device_mesh(world.device.type, (world.size,))
    policy = MixedPrecisionPolicy(
        param_dtype=torch.bfloat16 if bf16 else None,
        reduce_dtype=torch.float32,
        cast_forward_inputs=False,
    )
    for block in model.blocks:
        fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    model.to_empty(device=world.device)


def prepare_blocks(model: Decoder, compiled: bool, recompute: bool) -> None:
    """Compile each block, and let each recompute its activations, as the config says."""
    for block in model.blocks:
        assert isinstance(block, Block)
        block.recompute = recompute
        if compiled:
            block.body = torch.compile(block.body)


@torch.no_grad()
def initialize(model: Decoder, seed: int) -> None:
    """Fill in the initial weights: each a function of (seed, its name), whatever the world size.

    Matrices are normal with deviation 0.02, those that write into the residual stream divided by
    the root of twice the layers (GPT-2, section 2.3); biases are 0, norms 1.
    """
    for name, parameter in model.named_parameters():
        whole = _initial(model, name, parameter.shape, parameter.device, seed)
        if isinstance(parameter, DTensor):
            placed = distribute_tensor(
                whole, parameter.device_mesh, parameter.placements, src_data_rank=None
            )
            parameter.to_local().copy_(placed.to_local())
        else:
            parameter.copy_(whole)


def _initial(
    model: Decoder, name: str, shape: torch.Size, device: torch.device, seed: int
) -> Tensor:
    if name.endswith(".bias"):
        return torch.zeros(shape, device=device)
    if len(shape) == 1:
        return torch.ones(shape, device=device)
    generator = torch.Generator(device).manual_seed(derive(seed, name) >> 1)
    deviation = INITIAL_DEVIATION
    if name.endswith(model.residual_outputs):
        deviation /= math.sqrt(2 * model.dims.layers)
    return torch.randn(shape, device=device, generator=generator) * deviation
