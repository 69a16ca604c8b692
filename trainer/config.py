"""RUN.toml: the config of a training run.

The hyperparameters of CodeGen2 are not published. "CodeGen's 1B" stands for the published config of
CodeGen's 1B model (jaxformer, config/codegen_1B_nl), which has the dimensions of CodeGen2's 1B.
"""

import os
from bisect import bisect_left
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from manifests.config import Config, did_you_mean, load_config
from manifests.errors import UsageError
from manifests.io import files
from objectives.stream.positions import step_position
from objectives.tasks.objective import Attention
from trainer.models import MODELS
from trainer.models.layers import DecoderDims

PATHS = ("output", "mixture", "init")
"""The fields of RUN.toml that are paths."""


class DataConfig(Config):
    """Training sequences."""

    sequence_length: int = Field(default=2048, ge=16)
    """Tokens of a sequence. Published: n_ctx of CodeGen2's config.json."""
    objective: str | dict[str, float] = "codegen2"
    """A name of objectives/tasks/registry.py, or several names with their shares. Published:
    "codegen2" is half causal language modeling and half span corruption within files (CodeGen2,
    arXiv 2305.02309, section 3.3)."""
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Objective -> its settings that are not those of docs/objectives.md."""
    attention: Attention = "causal"
    """"prefix" trains a Prefix-LM: the first r N of N positions of each sequence, r uniform between
    0 and 0.9, attend to each other and have no loss (CodeGen2, arXiv 2305.02309, section 3.1.1).
    UL2's denoisers have a prefix of their own. Published: CodeGen2 is a causal decoder (section
    3.3)."""
    task_tokens: bool = False
    """Whether each sequence begins with a token that names its task, as UL2's do. Published:
    CodeGen2 has none and observed "no notable differences" (arXiv 2305.02309, section 3.3). The
    tokens are `<dummy_0>`, `<dummy_1>` ... of the vocabulary, in the order of the tasks; plan.json
    contains them."""
    workers: int = Field(default=0, ge=0)
    """Processes that make batches in advance; 0 makes them in the training process.
    Ours: an update takes far longer than its batch."""
    skip: list[tuple[int, int]] = Field(default_factory=list)
    """Half-open ranges [first, stop) of positions excluded from training, for example around a
    spike of the loss. An update that would overlap a range starts at its stop. The ranges may
    change when a run continues."""

    @field_validator("skip")
    @classmethod
    def _ranges_ascend(cls, skip: list[tuple[int, int]]) -> list[tuple[int, int]]:
        edges = [edge for span in skip for edge in span]
        if sorted(set(edges)) != edges or min(edges, default=0) < 0:
            raise ValueError("skip: ranges [first, stop] of positions must ascend and not overlap")
        return skip


class ModelConfig(Config):
    """The decoder."""

    name: str = "codegen2"
    """A model of trainer/models: "codegen2" (GPT-J's block) or "llama" (CodeGen2.5). Ours: the
    model that Stackpile reproduces."""
    size: str | DecoderDims = "demo"
    """A named size of the model ("demo"; CodeGen2's "1B", "3.7B", "7B", "16B"; CodeGen's "350M",
    "2B", "6B", "16B"; llama: "demo", "7B"), or a table of layers, width, heads, inner, and
    optionally rotary, rotary_base and norm_epsilon. Ours: "demo" trains in minutes on a CPU."""
    initialization: Literal["gpt2", "jaxformer"] = "gpt2"
    """How initial weights are drawn; see trainer/models/initialization.py. Published: the
    configs name GPT-2's (initializer_range 0.02); CodeGen was trained from JAXFORMER's."""

    @property
    def dims(self) -> DecoderDims:
        """The dimensions of `size`."""
        return MODELS[self.name].sizes[self.size] if isinstance(self.size, str) else self.size

    @model_validator(mode="after")
    def _name_and_size_fit(self) -> Self:
        if self.name not in MODELS:
            raise ValueError(
                f"name: there is no model {self.name!r}; {did_you_mean(self.name, MODELS)}"
            )
        model = MODELS[self.name]
        if isinstance(self.size, str) and self.size not in model.sizes:
            raise ValueError(
                f"size: {self.name} has no size {self.size!r}; it has {', '.join(model.sizes)}"
            )
        try:
            model.check_dims(self.dims)
        except UsageError as error:
            raise ValueError(f"size: {error}") from None
        return self


class BatchConfig(Config):
    """The size of an update."""

    sequences: int = Field(default=256, ge=1)
    """Sequences of an update over all processes: 524,288 tokens at 2,048. Published: CodeGen's 1B
    has as many."""
    micro_batch: int = Field(default=8, ge=1)
    """Sequences of one forward pass in one process (ours); it affects memory and speed only."""


DecayRate = Annotated[float, Field(ge=0, lt=1)]
"""A decay rate that AdamW accepts."""


class OptimizerConfig(Config):
    """AdamW."""

    learning_rate: float = Field(default=2e-4, gt=0, allow_inf_nan=False)
    """Peak learning rate. Published: CodeGen's 1B."""
    betas: tuple[DecayRate, DecayRate] = (0.9, 0.999)
    """Decay rates of the first and second moments. Published: CodeGen's 1B."""
    eps: float = Field(default=1e-8, gt=0)
    """Term added to the square root of the second moment. Published: CodeGen's 1B."""
    weight_decay: float = Field(default=0.1, ge=0)
    """Decoupled weight decay, of matrices only. Published: CodeGen's 1B."""
    clip: float = Field(default=1.0, gt=0)
    """Maximum norm of the gradient. Published: CodeGen's 1B."""
    z_loss: float = Field(default=1e-4, ge=0)
    """Factor of the squared log-partition. Published: jaxformer model.py; PaLM, section 5."""
    on_nonfinite: Literal["stop", "skip"] = "stop"
    """What happens at an update whose loss or gradient norm is not finite. "stop" ends the run
    before the update. "skip" leaves the weights as they are and continues with the next update; it
    also skips updates whose gradient norm is an outlier. Ours: the user decides about a run that
    fails."""
    outlier_deviations: float = Field(default=6.0, gt=0)
    """With "skip": a gradient norm is an outlier if it is more than so many standard deviations
    above the mean of the last norms; inf: no norm is an outlier. Published: OLMo-core,
    SkipStepOptimizer."""
    norm_window: int = Field(default=128, ge=2)
    """Number of the last norms. The first half of it is never compared. Published: OLMo-core."""
    max_skips: int = Field(default=10, ge=0)
    """Updates in a row that are skipped before the run ends (ours: a bad part of the data is
    shorter, and a diverged model does not recover)."""


class ScheduleConfig(Config):
    """The length of the run and its learning rate.

    The rate is a function of the update's number and of the schedule. If a run continues with
    another schedule, its next update has the rate of the new one: a longer cosine has a higher
    rate. With "wsd" an extended run keeps its rate until the annealing begins.
    """

    steps: int | None = Field(default=None, ge=1)
    """Updates of the run. By default as many as the mixture's budget has. Ours: the budget is said
    once."""
    shape: Literal["cosine", "wsd"] = "cosine"
    """"cosine" anneals by a cosine from the end of the warmup on; "wsd" (warmup-stable-decay) keeps
    the peak and anneals linearly at the end of the run. Published: CodeGen's 1B has
    a cosine."""
    warmup: int | None = Field(default=None, ge=0)
    """Updates of linear warmup. By default 3000, but at most a tenth of the run. Published:
    CodeGen's 1B has 3000. Ours: the bound, for short runs."""
    anneal: int | None = Field(default=None, ge=1)
    """Updates of the annealing. By default for "cosine" the rest of the run. Published: CodeGen2.5
    (arXiv 2305.02309, section 3.5); jaxformer anneals for 300,000 of 350,000 updates, and keeps the
    final rate after it. By default for "wsd" a tenth of the run. Published: MiniCPM, arXiv
    2404.06395."""
    final: float = Field(default=2e-5, ge=0)
    """Learning rate at the end of the annealing. Published: CodeGen's 1B."""


class CheckpointConfig(Config):
    """When checkpoints are written and how many are kept."""

    every: int = Field(default=1000, ge=1)
    """Updates between two checkpoints (ours). The last update always has a checkpoint."""
    keep: int = Field(default=3, ge=1)
    """Number of the last checkpoints that are kept (ours)."""
    keep_every: int | None = Field(default=None, ge=1)
    """Checkpoints of steps that are a multiple of this number are kept, too; without it, none."""


class ValidationConfig(Config):
    """The loss on held-out documents, which metrics.jsonl records."""

    every: int | None = Field(default=None, ge=1)
    """Updates between two validations; the last update has one, too. Without it, there
    is none."""
    documents: int = Field(default=64, ge=1)
    """Maximum number of documents of a component (ours: 64 of the 22 components of the Pile have
    about 2 million tokens)."""


class MetricsConfig(Config):
    """What metrics.jsonl records."""

    components_every: int = Field(default=100, ge=1)
    """Updates between two lines with the counts and the losses of each component (ours: such a line
    has 32 kB for 380 components). The last update always has them."""
    peak_tflops: float | None = Field(default=None, gt=0)
    """Peak of the device of one process, 10^12 operations a second, of which MFU is a share.
    Default: the published dense bf16 peak of an H100, H200 or A100; other devices have no MFU."""
    wandb: str | None = None
    """Project of Weights & Biases that gets the metrics, too; needs the package wandb. Default:
    none (ours). RUN/tensorboard has event files in any case."""


class RunConfig(Config):
    """The config of a run."""

    output: str
    """Directory of the run, relative to RUN.toml, on a file system that all processes share."""
    mixture: str
    """Path of the mixture, a MIX.toml, relative to RUN.toml, or a URL."""
    init: str | None = None
    """Directory with the weights that the run starts from, relative to RUN.toml: a run, whose last
    checkpoint is taken, or what `export` or `import` wrote. The optimizer, the schedule and the
    data begin at step 0. Without it, weights are drawn; see `model.initialization`."""
    seed: int = Field(default=0, ge=0, lt=1 << 63)
    """Seed of the initial weights. Ours: any number. The order of the data depends on the mixture's
    seed."""
    precision: Literal["auto", "bf16", "float32"] = "auto"
    """Precision of matrix products; weights, reductions and optimizer state are float32. "auto" is
    bf16 on GPUs and CPUs that multiply it (`parallel.has_fast_bf16`), otherwise float32.
    Published: jaxformer computes in bf16. Ours: the exception."""
    compile: bool = False
    """Compile each block with torch.compile: takes minutes at the start, trains faster on GPUs."""
    activation_checkpointing: bool = False
    """Keep only the input of each block and recompute its activations in the backward pass, for
    models that do not fit in memory otherwise."""
    threads: int | None = Field(default=None, ge=1)
    """Threads of each process on a CPU. By default the cores divided by the processes of the
    machine. Ours: more threads than cores wait for one another. The number changes the rounding of
    sums."""
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
    validation: ValidationConfig = ValidationConfig()
    """[validation]"""
    metrics: MetricsConfig = MetricsConfig()
    """[metrics]"""

    @field_validator("output")
    @classmethod
    def _output_is_local(cls, output: str) -> str:
        if not files.is_local(output):
            raise ValueError(
                f"{output!r} is a URL; a run needs a directory of a file system, because its "
                "checkpoints are renamed and its lease is a file that only one process can create"
            )
        return files.local_path(output)

    @model_validator(mode="after")
    def _rate_falls(self) -> Self:
        peak, final = self.optimizer.learning_rate, self.schedule.final
        if final > peak:
            raise ValueError(
                f"schedule.final: {final:g} is above optimizer.learning_rate, {peak:g}: the rate "
                "would rise at the end"
            )
        return self

    def steps(self, positions: int, done: int = 0, position: int = 0) -> int:
        """Return the number of updates of the run.

        By default the last update is the last one that starts within the mixture's budget, with
        skipped ranges counted as part of the budget.

        Args:
            positions: sequences of the budget.
            done: updates already made.
            position: stream position after the last of them.

        Raises:
            UsageError: the whole budget is skipped.
        """
        if self.schedule.steps:
            return self.schedule.steps
        rows, skip = self.batch.sequences, self.data.skip
        limit = max(0, -(-(positions - position) // rows))
        remaining = bisect_left(
            range(limit), positions, key=lambda step: step_position(position, step, rows, skip)
        )
        if not done + remaining:
            raise UsageError(f"data.skip: excludes all {positions} sequences of the budget")
        return done + remaining

    def micro_batches(self, world_size: int) -> int:
        """Return the number of micro-batches of each process in an update.

        Raises:
            UsageError: `batch.sequences` is not a multiple of the processes times `micro_batch`.
        """
        step = world_size * self.batch.micro_batch
        if self.batch.sequences % step:
            raise UsageError(
                f"batch.sequences: {self.batch.sequences} is not a multiple of {step} "
                f"({world_size} processes x batch.micro_batch {self.batch.micro_batch})"
            )
        return self.batch.sequences // step


def load_run_config(path: str, overrides: Sequence[str] = ()) -> RunConfig:
    """Read RUN.toml and make its paths absolute.

    Args:
        path: of RUN.toml.
        overrides: `key.of.table=value` strings that replace values of the file.

    Raises:
        UsageError: the file has faults; the message lists all of them.
    """
    config = load_config(path, RunConfig, overrides)
    base = os.path.dirname(os.path.abspath(path))
    paths = {
        name: files.resolve(base, path)
        for name in PATHS
        if (path := getattr(config, name)) is not None
    }
    return config.model_copy(update=paths)


def relative(path: str, base: str) -> str:
    """Return an absolute path relative to the directory `base`; a URL as it is."""
    return path if "://" in path else os.path.relpath(path, base)
