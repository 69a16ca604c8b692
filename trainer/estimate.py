"""`stackpile train --plan`: the size, the memory and the time of a run, without training.

Activations are counted on the meta device, which has shapes and no data: a hook adds up what
autograd keeps for the backward pass. The other parts follow from the number of parameters.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from rich.table import Table
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from manifests.console.output import numbers_table
from objectives.stream.positions import step_position
from objectives.stream.sampler import Sampler
from trainer.config import RunConfig
from trainer.models import MODELS, Decoder
from trainer.models.loss import CHUNK_ELEMENTS
from trainer.parallel import uses_bf16
from trainer.reporting.speed import flops_per_token, parameter_count
from trainer.run import plan_of


@dataclass(frozen=True)
class Memory:
    """Bytes of one process at the point of an update where they are most."""

    weights: int
    """float32, divided among the processes."""
    optimizer: int
    """Two float32 moments, divided among the processes."""
    gradients: int
    """float32, divided among the processes, and the whole ones that are not divided yet."""
    gathered: int
    """Weights that are whole: those of embedding, norm and head, and of two blocks."""
    activations: int
    """What the backward pass of a micro-batch needs, and the gradients inside one MLP."""
    loss: int
    """The gradients of hidden states and head, and a chunk of logits."""
    copies: int
    """Copies of weights and moments that a checkpoint is written from; on GPUs they are in the
    memory of the host, which is not counted."""

    @property
    def total(self) -> int:
        """The sum of the parts."""
        return sum(asdict(self).values())


def estimate(config: RunConfig, processes: int, mfu: float, tflops: float) -> dict[str, Any]:
    """Return what a run needs.

    Args:
        config: of the run.
        processes: number of processes.
        mfu: model FLOPs utilization, the share of the peak that an update reaches. Published:
            0.418 for 1.3 billion parameters on 8 H100 (llm-foundry, scripts/train/benchmarking).
        tflops: peak of the device of one process, 10^12 floating-point operations a second.
            Published: 989.4 for bf16 on an H100 or H200 (SXM).

    Returns:
        `parameters`, `memory` (part -> bytes of one process), `steps`, `tokens`, `epochs`
        (component -> epochs), `padding` and `thinned` (shares; see `Plan`), `flops_per_token`,
        `seconds`.

    Raises:
        UsageError: the config does not fit the mixture or the number of processes.
    """
    config.micro_batches(processes)
    plan = plan_of(config)
    steps = config.steps(plan.positions)
    tokens = steps * config.batch.sequences * config.data.sequence_length
    with torch.device("meta"):
        model = MODELS[config.model.name](config.model.dims, plan.control.vocabulary)
    memory = memory_of(model, config, processes)
    flops = flops_per_token(model, config.data.sequence_length)
    rows, skip = config.batch.sequences, config.data.skip
    counts = Sampler(plan).counts(step_position(0, steps - 1, rows, skip) + rows)
    return {
        "parameters": parameter_count(model),
        "memory": asdict(memory) | {"total": memory.total},
        "steps": steps,
        "tokens": tokens,
        "epochs": {
            component.name: count / component.addresses
            for component, count in zip(plan.components, counts, strict=True)
        },
        "padding": plan.padding,
        "thinned": plan.thinned,
        "flops_per_token": flops,
        "seconds": tokens * flops / (processes * mfu * tflops * 1e12),
    }


def memory_of(model: Decoder, config: RunConfig, processes: int) -> Memory:
    """Return the memory of a process.

    Args:
        model: on the meta device.
        config: of the run.
        processes: number of processes.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if uses_bf16(config, device) else torch.float32
    rows, length = config.batch.micro_batch, config.data.sequence_length
    sharded, size = 4 * parameter_count(model) // processes, dtype.itemsize
    block = size * parameter_count(model.blocks[0])
    root = size * parameter_count(model) - len(model.blocks) * block
    inner = sum(
        module.out_features
        for module in model.blocks[0].modules()
        if isinstance(module, nn.Linear) and module.out_features == model.dims.inner
    )
    needed = activation_bytes(model, rows, length, dtype, config.activation_checkpointing)
    kept = {
        "weights": sharded,
        "optimizer": 2 * sharded,
        "copies": 3 * sharded if device.type == "cpu" else 0,
    }
    # In the forward pass there is a chunk of logits, in the backward pass the MLP's gradients.
    chunk = 4 * min(CHUNK_ELEMENTS[device.type], rows * length * model.vocabulary)
    inside = size * rows * length * inner
    in_model = Memory(
        **kept,
        # Those of the micro-batches before this one.
        gradients=sharded if config.micro_batches(processes) > 1 else 0,
        gathered=root + block,
        activations=needed + (inside if inside >= chunk else 0),
        loss=4 * model.head.weight.numel()
        + size * rows * length * model.dims.width
        + (chunk if chunk > inside else 0),
    )
    after_backward = Memory(
        **kept,
        gradients=sharded + root + 2 * block,
        gathered=root + 2 * block,
        activations=0,
        loss=0,
    )
    return max(in_model, after_backward, key=lambda memory: memory.total)


def activation_bytes(
    model: Decoder, rows: int, length: int, dtype: torch.dtype, recompute: bool
) -> int:
    """Return the bytes that autograd keeps for the backward pass of a micro-batch.

    Args:
        model: on the meta device.
        rows: sequences of the micro-batch.
        length: tokens of a sequence.
        dtype: of the products.
        recompute: whether blocks keep their inputs only; then one block's activations are added.
    """
    with torch.device("meta"):
        single = type(model)(model.dims.model_copy(update={"layers": 1}), model.vocabulary)
        single.to(dtype)
        tokens = torch.zeros((rows, length), dtype=torch.int64)
        whole = _saved_bytes(single, lambda: single.hidden(tokens))
        outside = _saved_bytes(single, lambda: single.norm(single.embed(tokens)))
    block, layers = whole - outside, model.dims.layers
    hidden = rows * length * model.dims.width * dtype.itemsize
    return outside + (layers * hidden + block if recompute else layers * block)


def _saved_bytes(model: Decoder, work: Callable[[], object]) -> int:
    """Return the bytes of the storages that autograd saves in `work`, without the parameters'."""
    # A storage keeps its Python object, and so its id, while the object is referred to.
    parameters = {id(p.untyped_storage()): p.untyped_storage() for p in model.parameters()}
    saved: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if id(storage) not in parameters:
            saved[id(storage)] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), _FusedShapes():
        work()
    return sum(storage.nbytes() for storage in saved.values())


class _FusedShapes(TorchFunctionMode):
    """Replaces attention, which the meta device computes with a whole matrix of scores."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if function is F.scaled_dot_product_attention:
            return _FusedAttention.apply(*args[:3])
        return function(*args, **kwargs or {})


class _FusedAttention(torch.autograd.Function):
    """Attention without its values: it saves what a fused kernel saves."""

    @staticmethod
    def forward(ctx: Any, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        # A fused kernel returns [B, H, L, head] in the memory order of [B, L, H, head].
        mixed = torch.empty_like(queries.transpose(1, 2).contiguous()).transpose(1, 2)
        sums = queries.new_empty(queries.shape[:3], dtype=torch.float32)
        ctx.save_for_backward(queries, keys, values, mixed, sums)
        return mixed


def estimate_table(config: RunConfig, needed: Mapping[str, Any]) -> Table:
    """Return the result of `estimate` as a table."""
    table = numbers_table(f"{config.output}, without training", "quantity", "value")
    table.add_row("parameters", f"{needed['parameters']:,}")
    for part, size in needed["memory"].items():
        table.add_row(f"memory of a process: {part}", f"{size / 2**30:,.2f} GiB")
    table.add_row("updates", f"{needed['steps']:,}")
    table.add_row("tokens", f"{needed['tokens']:,}")
    for component, epochs in needed["epochs"].items():
        table.add_row(f"epochs of {component}", f"{epochs:,.3f}")
    table.add_row("padding", f"{needed['padding']:.2%} of the positions")
    table.add_row("thinned", f"{needed['thinned']:.2%} of the segments that objectives change")
    table.add_row("FLOPs of a token", f"{needed['flops_per_token']:,}")
    table.add_row("time", f"{needed['seconds'] / 3600:,.1f} hours")
    return table
