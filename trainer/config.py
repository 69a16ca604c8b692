"""RUN.toml: everything that a training run is made of.

Hyperparameters of CodeGen2 are not published. Defaults are those of CodeGen's 1B model
(jaxformer, config/codegen_1B_nl), whose shape is CodeGen2's 1B, unless a field says otherwise.
"""

import os
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from manifests.config import Config, load_config
from manifests.errors import UsageError
from objectives.stream.skip import step_position
from trainer.models import MODELS
from trainer.models.layers import DecoderDims

WARMUP = 3000


class DataConfig(Config):
    """What a sequence is."""

    sequence_length: int = Field(default=2048, ge=16)
    """Tokens of a sequence, L (n_ctx of codegen2's config.json)."""
    objective: str | dict[str, float] = "codegen2"
    """How tokens become sequences: "codegen2" (half causal, half file-level span corruption:
    section 2 of the paper), another name of objectives/tasks/registry.py, or several with
    their shares."""
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Settings of objectives, by their names, where they are not the defaults."""
    workers: int = Field(default=0, ge=0)
    """Processes that make batches ahead; 0 makes them in the training process."""
    skip: list[tuple[int, int]] = Field(default_factory=list)
    """Windows of positions, [first, stop], that no update takes any of, the stop itself excepted:
    what lies behind a spike of the loss, say. An update that would reach into one begins where it
    stops. They may be given when a run goes on."""

    @field_validator("skip")
    @classmethod
    def _windows_ascend(cls, skip: list[tuple[int, int]]) -> list[tuple[int, int]]:
        edges = [edge for window in skip for edge in window]
        if sorted(set(edges)) != edges or min(edges, default=0) < 0:
            raise ValueError("skip: windows [first, stop] of positions, ascending and apart")
        return skip


class ModelConfig(Config):
    """The decoder."""

    name: str = "codegen2"
    """A model of trainer/models: "codegen2" (GPT-J's block) or "llama" (CodeGen2.5)."""
    size: str | DecoderDims = "demo"
    """A named size of the model ("demo", "1B", "3.7B", "7B", "16B"; llama: "demo", "7B"), or a
    table of layers, width, heads and inner."""

    @property
    def dims(self) -> DecoderDims:
        """The dimensions of `size`."""
        return MODELS[self.name].sizes[self.size] if isinstance(self.size, str) else self.size

    @model_validator(mode="after")
    def _name_and_size_fit(self) -> Self:
        if self.name not in MODELS:
            raise ValueError(
                f"name: there is no model {self.name!r}; there are {', '.join(MODELS)}"
            )
        model = MODELS[self.name]
        if isinstance(self.size, str) and self.size not in model.sizes:
            raise ValueError(
                f"size: {self.name} has no size {self.size!r}; it has {', '.join(model.sizes)}"
            )
        if self.dims.width % (2 * self.dims.heads):
            raise ValueError("size: width must be a multiple of twice the heads")
        if self.dims.heads % model.heads_multiple:
            raise ValueError(
                f"size: heads must be a multiple of {model.heads_multiple} for {self.name}"
            )
        return self


class BatchConfig(Config):
    """What one update sees."""

    sequences: int = Field(default=256, ge=1)
    """Sequences of an update over all processes (524,288 tokens at 2,048, as CodeGen's 1B)."""
    micro_batch: int = Field(default=8, ge=1)
    """Sequences that one process holds at once; memory alone decides it."""


class OptimizerConfig(Config):
    """AdamW."""

    learning_rate: float = Field(default=2e-4, gt=0)
    """The peak of the schedule."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decay of the first and second moments."""
    eps: float = Field(default=1e-8, gt=0)
    """Added to the root of the second moment."""
    weight_decay: float = Field(default=0.1, ge=0)
    """Decoupled, on matrices only."""
    clip: float = Field(default=1.0, gt=0)
    """The largest norm of the gradient."""
    z_loss: float = Field(default=1e-4, ge=0)
    """Factor of the squared log-partition (jaxformer model.py; PaLM, section 5)."""


class ScheduleConfig(Config):
    """The learning rate over the run."""

    steps: int | None = Field(default=None, ge=1)
    """Updates; not given: as many as the mixture's budget holds."""
    warmup: int | None = Field(default=None, ge=0)
    """Updates of linear warmup; not given: 3000, but at most a tenth of the run."""
    final: float = Field(default=2e-5, ge=0)
    """The learning rate at the end of the cosine, which spans the whole run."""


class CheckpointConfig(Config):
    """What can be gone back to."""

    every: int = Field(default=1000, ge=1)
    """Updates between two checkpoints (ours); the last update always has one."""
    keep: int = Field(default=3, ge=1)
    """The last so many are kept (ours)."""


class RunConfig(Config):
    """A run."""

    output: str
    """The run's directory, on a file system that all processes see; relative to RUN.toml."""
    mixture: str
    """The mixture to train on, a MIX.toml; relative to RUN.toml."""
    seed: int = Field(default=0, ge=0, lt=1 << 63)
    """Of the initial weights; the order of the data has the mixture's own."""
    precision: Literal["auto", "bf16", "float32"] = "auto"
    """Of the matrix products; weights, sums and the optimizer are float32. "auto" is bf16 on GPUs
    and on CPUs with AMX (there twice as fast), else float32."""
    compile: bool = False
    """Compile each block (torch.compile): minutes at the start, faster on GPUs."""
    activation_checkpointing: bool = False
    """Keep one tensor a block and compute the rest again backward; for models that do not fit."""
    data: DataConfig = DataConfig()
    """[data]"""
    model: ModelConfig = ModelConfig()
    """[model]"""
    batch: BatchConfig = BatchConfig()
    """[batch]"""
    optimizer: OptimizerConfig = OptimizerConfig()
    """[optimizer]"""
    schedule: ScheduleConfig = ScheduleConfig()
    """[schedule]"""
    checkpoint: CheckpointConfig = CheckpointConfig()
    """[checkpoint]"""

    def steps(self, positions: int, done: int = 0, position: int = 0) -> int:
        """Return the updates of the run.

        Not given, they are as many as it takes to come to the end of the mixture's budget, what is
        skipped on the way included: so none begins behind it.

        Args:
            positions: sequences that the budget comes to.
            done: updates that have been made.
            position: where the last of them ended.

        Raises:
            UsageError: the whole budget is skipped.
        """
        if self.schedule.steps:
            return self.schedule.steps
        rows, skip = self.batch.sequences, self.data.skip
        most = max(0, -(-(positions - position) // rows))
        left = bisect_left(
            range(most), positions, key=lambda step: step_position(position, step, rows, skip)
        )
        if not done + left:
            raise UsageError(f"data.skip: leaves none of the budget's {positions} sequences")
        return done + left

    def warmup(self, steps: int) -> int:
        """Return the updates of warmup in a run of `steps`."""
        if self.schedule.warmup is None:
            return min(WARMUP, steps // 10)
        return min(self.schedule.warmup, steps)

    def micro_batches(self, world_size: int) -> int:
        """Return how many micro-batches each process takes an update.

        Raises:
            UsageError: they do not come out even.
        """
        at_once = world_size * self.batch.micro_batch
        if self.batch.sequences % at_once:
            raise UsageError(
                f"batch.sequences: {self.batch.sequences} does not divide by {at_once} "
                f"({world_size} processes x batch.micro_batch {self.batch.micro_batch})"
            )
        return self.batch.sequences // at_once


def load_run_config(path: str, overrides: Sequence[str] = ()) -> RunConfig:
    """Read RUN.toml; its relative paths become absolute ones. UsageError lists every fault."""
    config = load_config(path, RunConfig, overrides)
    base = os.path.dirname(os.path.abspath(path))
    places = {name: os.path.join(base, getattr(config, name)) for name in ("output", "mixture")}
    return config.model_copy(update={n: os.path.normpath(place) for n, place in places.items()})
