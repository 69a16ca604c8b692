"""One process or many: the process group, sharding, precision, and initial weights.

A single process uses the same code as many, with a process group of size one.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from manifests.cores import usable_cores
from manifests.errors import UsageError
from trainer.config import RunConfig
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

    def broadcast(self, text: str) -> str:
        """Return the text of process 0, which is not empty; every process calls `broadcast`."""
        data = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)
        size = torch.tensor(len(data))
        dist.broadcast(size, 0)
        if self.rank > 0:
            data = torch.empty(int(size), dtype=torch.uint8)
        dist.broadcast(data, 0)
        return data.numpy().tobytes().decode()

    def any(self, flag: bool) -> bool:
        """Return whether the flag of any process is true; every process calls it."""
        flags = torch.tensor(float(flag))
        dist.all_reduce(flags)
        return bool(flags)


@contextmanager
def distributed_context(threads: int | None = None) -> Iterator[DistributedContext]:
    """Join the processes that torchrun started (or run as the only one) until the block ends.

    Args:
        threads: of this process on a CPU; default: its share of the machine's cores.

    Raises:
        UsageError: the machine has more processes than visible GPUs.
    """
    rank, world_size = _variable("RANK", 0), _variable("WORLD_SIZE", 1)
    if torch.cuda.is_available():
        local_rank, processes = _variable("LOCAL_RANK", 0), _variable("LOCAL_WORLD_SIZE", 1)
        index = device_index(local_rank, processes, torch.cuda.device_count())
        device = torch.device("cuda", index)
        torch.cuda.set_device(device)
        backend = "cpu:gloo,cuda:nccl"
    else:
        device, backend = torch.device("cpu"), "gloo"
        torch.set_num_threads(threads or max(1, usable_cores() // _variable("LOCAL_WORLD_SIZE", 1)))
    if world_size > 1:
        dist.init_process_group(backend)
    else:
        store = dist.HashStore()  # type: ignore[attr-defined]
        dist.init_process_group(backend, store=store, rank=0, world_size=1)
    try:
        yield DistributedContext(rank, world_size, device)
    finally:
        dist.destroy_process_group()


def device_index(local_rank: int, processes: int, visible: int) -> int:
    """Return the number of the GPU of a process among the GPUs that it sees.

    A launcher that gives each process one GPU, as `srun --gpus-per-task=1` does, shows it as
    number 0.

    Args:
        local_rank: number of the process on its machine.
        processes: number of processes on the machine, 1 where the launcher does not say it.
        visible: number of GPUs that the process sees.

    Raises:
        UsageError: the processes see several GPUs, but there are more processes. All processes of
            torchrun raise it, so that the first one prints it.
    """
    if visible == 1:
        return 0
    if (processes := max(processes, local_rank + 1)) > visible:
        raise UsageError(
            f"{processes} processes on this machine, and each sees {visible} GPUs: start one "
            "process for each GPU"
        )
    return local_rank


def _variable(name: str, default: int) -> int:
    """Return an environment variable that torchrun sets."""
    return int(os.environ.get(name, default))


def has_fast_bf16(device: torch.device) -> bool:
    """Return whether bfloat16 is faster than float32.

    It is on GPUs from NVIDIA's Ampere on, because older ones emulate it, and on CPUs that multiply
    it: twice as fast with AMX tiles, and 1.6 times with AVX-512 BF16 (an update of the "demo" size
    on one core of an AMD EPYC).
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return any(map(torch.cpu.get_capabilities().get, ("amx_tile", "avx512_bf16")))


def uses_bf16(config: RunConfig, device: torch.device) -> bool:
    """Return whether the matrix products of a run on a device are bfloat16."""
    return has_fast_bf16(device) if config.precision == "auto" else config.precision == "bf16"


def shard(model: Decoder, context: DistributedContext, bf16: bool) -> None:
    """Split the parameters of a model on the meta device over the processes, block by block.

    Inputs are not cast to bfloat16, because loss weights and rotary tables must not be rounded. On
    a CPU the embedding stays float32: its backward pass adds up the gradients of equal tokens in
    the precision of its weights, and bfloat16 sums of many tokens stop growing. On GPUs it adds up
    in float32.
    """
    mesh = init_device_mesh(context.device.type, (context.world_size,))
    policy = MixedPrecisionPolicy(
        param_dtype=torch.bfloat16 if bf16 else None,
        reduce_dtype=torch.float32,
        cast_forward_inputs=False,
    )
    if bf16 and context.device.type == "cpu":
        embedding = MixedPrecisionPolicy(
            reduce_dtype=torch.float32, output_dtype=torch.bfloat16, cast_forward_inputs=False
        )
        fully_shard(model.embed, mesh=mesh, mp_policy=embedding)
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
        set_parameter(parameter, initial_weight(model, name, parameter, seed, initialization))


@torch.no_grad()
def set_parameter(parameter: Tensor, whole: Tensor) -> None:
    """Copy a whole tensor, which every process has, into a parameter, which may be sharded."""
    if not isinstance(parameter, DTensor):
        parameter.copy_(whole)
        return
    sharded = distribute_tensor(
        whole, parameter.device_mesh, parameter.placements, src_data_rank=None
    )
    parameter.to_local().copy_(sharded.to_local())
