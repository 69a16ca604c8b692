"""The training loop.

Update N trains on sequences position(N) .. position(N) + batch.sequences - 1 of the stream; process
r of w takes the r-th w-th of them, so the world size does not change what the model sees. An update
(`Training._update`):

1. counts tokens and loss weights of the batch, summed over all processes;
2. runs forward and backward for each micro-batch; the loss is a mean over the global batch;
3. stops the run if the loss is not finite;
4. clips the gradient, sets the learning rate, and makes the optimizer step;
5. appends a line to metrics.jsonl.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor

from manifests.errors import DataError
from objectives.stream.positions import step_position
from objectives.stream.stream import Stream
from objectives.stream.torch_dataset import batches
from objectives.tasks.batch import FORGOTTEN, PADDING, Batch
from trainer.checkpoints.checkpoint import Checkpoints, complete_steps, read_run_state
from trainer.config import RunConfig
from trainer.display import Display
from trainer.interrupt import Interrupted, catch_stop_signals
from trainer.metrics import Metrics, append_metrics, truncate_metrics
from trainer.models import Decoder
from trainer.optimization.optimizer import learning_rate, make_optimizer, set_learning_rate
from trainer.parallel import (
    DistributedContext,
    distributed_context,
    has_fast_bf16,
    initialize,
    prepare_blocks,
    shard,
)
from trainer.run import Run, open_or_create_run


class BatchStats(NamedTuple):
    """Counts of a global batch."""

    loss_tokens: float
    """Sum of the loss weights."""
    padding: int
    """Padding tokens, those in place of forgotten documents excluded."""
    forgotten: int
    """Padding tokens in place of forgotten documents."""
    documents: int
    """Documents, and parts of documents that sequences cut."""
    stop_requests: int
    """Processes that received a stop signal."""


@dataclass
class Progress:
    """Counters of a run since its start, as checkpoints hold them."""

    step: int = 0
    """Updates made."""
    position: int = 0
    """Stream position after the last update."""
    tokens: int = 0
    """Tokens, padding included."""
    loss_tokens: float = 0.0
    """Sum of the loss weights."""
    padding: int = 0
    """As in `BatchStats`."""
    forgotten: int = 0
    """As in `BatchStats`."""
    documents: int = 0
    """As in `BatchStats`."""

    def advanced(self, position: int, rows: int, length: int, stats: BatchStats) -> "Progress":
        """Return the progress after an update of `rows` sequences that starts at `position`."""
        return Progress(
            step=self.step + 1,
            position=position + rows,
            tokens=self.tokens + rows * length,
            loss_tokens=self.loss_tokens + stats.loss_tokens,
            padding=self.padding + stats.padding,
            forgotten=self.forgotten + stats.forgotten,
            documents=self.documents + stats.documents,
        )


def train(config: RunConfig) -> Metrics:
    """Start or continue the run of a config; return the metrics of its last update.

    Raises:
        UsageError: the config does not fit the run's directory, the mixture, or the processes.
        DataError: the loss is not finite, or a shard is damaged.
        Interrupted: SIGINT or SIGTERM was received; a checkpoint has the last update.
    """
    with distributed_context() as context:
        config.micro_batches(context.world_size)
        return Training(open_or_create_run(config, context), context).fit()


class Training:
    """The training of a run, in one of its processes."""

    def __init__(self, run: Run, context: DistributedContext) -> None:
        """Make the model, and read the last checkpoint if there is one."""
        self.run, self.context, self.config = run, context, run.config
        self.stream = Stream.open(run.plan)
        self.model = self._make_model()
        self.optimizer = make_optimizer(self.model, self.config.optimizer)
        self.checkpoints = Checkpoints(run.checkpoints, self.config.checkpoint.keep, context.rank)
        self.progress = progress = self._restore()
        self.steps = self.config.steps(run.plan.positions, progress.step, progress.position)
        self.saved_step = progress.step
        self.update_started = time.perf_counter()

    def _make_model(self) -> Decoder:
        """Return the sharded model; its weights are not set yet."""
        precision = self.config.precision
        bf16 = has_fast_bf16(self.context.device) if precision == "auto" else precision == "bf16"
        with torch.device("meta"):
            model = self.run.empty_model()
        prepare_blocks(model, self.config.compile, self.config.activation_checkpointing)
        shard(model, self.context, bf16)
        return model

    def _restore(self) -> Progress:
        """Set weights and optimizer state: from the last checkpoint, or initial ones."""
        torch.manual_seed(self.config.seed)
        steps = complete_steps(self.run.checkpoints)
        if not steps:
            initialize(self.model, self.config.seed, self.config.model.initialization)
            return Progress()
        state = read_run_state(self.run.checkpoints, steps[-1])
        self.checkpoints.load(steps[-1], self.model, self.optimizer)
        position = self.stream.load_state_dict(state["stream"])
        return Progress(position=position, **state["progress"])

    def fit(self) -> Metrics:
        """Make the remaining updates; return the metrics of the last one."""
        first = self.context.rank == 0
        if first:
            truncate_metrics(self.run.metrics, self.progress.step)
        source = batches(
            self.stream,
            self.progress.position,
            self.config.batch.sequences,
            rank=self.context.rank,
            world=self.context.world_size,
            workers=self.config.data.workers,
            skipped=self.config.data.skip,
        )
        display = Display(first, self.progress.step, self.steps)
        with display, catch_stop_signals() as stop_requested:
            try:
                while self.progress.step < self.steps:
                    if not self._update(next(source), stop_requested, display):
                        break
                    self.checkpoints.poll()
                    if self.progress.step % self.config.checkpoint.every == 0:
                        self._save()
                if self.saved_step != self.progress.step:
                    self._save()
            finally:
                self.checkpoints.finish()
        if self.progress.step < self.steps:
            raise Interrupted(
                f"{self.run.path}: stopped after step {self.progress.step} of {self.steps}; "
                "the same command continues from there"
            )
        return self.run.metrics_of(self.steps)

    def _update(self, batch: Batch, stop_requested: Callable[[], bool], display: Display) -> bool:
        """Make one update; return False, without one, if any process received a stop signal."""
        stats = self._count(batch, stop_requested())
        if stats.stop_requests:
            return False
        loss = self._forward_backward(batch, max(stats.loss_tokens, 1.0))
        self._check_finite(loss)
        gradient_norm, rate = self._optimizer_step()
        self._record(loss, gradient_norm, rate, stats, display)
        return True

    def _count(self, batch: Batch, stop: bool) -> BatchStats:
        """Count the global batch."""
        # The first token of a sequence is not predicted.
        loss_tokens = batch.loss_weights[:, 1:].sum(dtype=np.float64)
        padding = np.count_nonzero(batch.segment_ids == PADDING)
        forgotten = np.count_nonzero(batch.segment_ids == FORGOTTEN)
        documents = (batch.segment_ids.max(axis=1).clip(-1) + 1).sum()
        counts = [loss_tokens, padding, forgotten, documents, stop]
        sums = torch.tensor(counts, dtype=torch.float64)
        dist.all_reduce(sums)
        weight, *integers = sums.tolist()
        return BatchStats(weight, *map(int, integers))

    def _forward_backward(self, batch: Batch, weight: float) -> float:
        """Accumulate the gradient over the micro-batches; return the loss of the global batch.

        Args:
            batch: the sequences of this process.
            weight: sum of the loss weights of the global batch.
        """
        size, device = self.config.batch.micro_batch, self.context.device
        tokens = torch.from_numpy(batch.tokens).to(device).split(size)
        weights = torch.from_numpy(batch.loss_weights).to(device).split(size)
        prefixes = self._prefixes(batch, len(tokens))
        entropy = torch.zeros((), device=device)
        for micro_batch in zip(tokens, weights, prefixes, strict=True):
            micro_tokens, micro_weights, prefix = micro_batch
            loss = self.model(micro_tokens, micro_weights, self.config.optimizer.z_loss, prefix)
            # FSDP averages gradients over processes; the loss is a mean over the global batch.
            (loss.total * (self.context.world_size / weight)).backward()
            entropy += loss.entropy
        dist.all_reduce(entropy)
        return entropy.item() / weight

    def _prefixes(self, batch: Batch, parts: int) -> Sequence[Tensor | None]:
        """Return the prefix lengths of each micro-batch; None if no objective of the run has any.

        The choice depends on the run, not on the batch, because a causal mask uses another kernel
        and is compiled separately.
        """
        if not self.stream.has_prefixes:
            return [None] * parts
        prefix = torch.from_numpy(batch.prefix).to(self.context.device)
        return list(prefix.split(self.config.batch.micro_batch))

    def _check_finite(self, loss: float) -> None:
        """Raise DataError if the loss is not finite."""
        if not math.isfinite(loss):
            step = self.progress.step + 1
            raise DataError(
                f"{self.run.path}: the loss of step {step} is {loss}; "
                f"the last checkpoint is of step {self.saved_step}; `stackpile trace "
                f"{self.run.path} --step {step}` names the documents of that step"
            )

    def _optimizer_step(self) -> tuple[float, float]:
        """Clip the gradient and step; return its norm before clipping, and the learning rate."""
        optimizer, schedule = self.config.optimizer, self.config.schedule
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), optimizer.clip)
        warmup = self.config.warmup(self.steps)
        rate = learning_rate(
            self.progress.step, self.steps, warmup, optimizer.learning_rate, schedule.final
        )
        set_learning_rate(self.optimizer, rate)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return float(norm.full_tensor() if isinstance(norm, DTensor) else norm), rate

    def _record(
        self, loss: float, gradient_norm: float, rate: float, stats: BatchStats, display: Display
    ) -> None:
        """Advance the progress; in the first process, write and show the metrics."""
        rows, length = self.config.batch.sequences, self.config.data.sequence_length
        position = step_position(self.progress.position, 0, rows, self.config.data.skip)
        self.progress = self.progress.advanced(position, rows, length, stats)
        started, self.update_started = self.update_started, time.perf_counter()
        seconds = self.update_started - started
        if self.context.rank:
            return
        metrics: Metrics = {
            "step": self.progress.step,
            "position": position,
            "sequences": rows,
            "loss": loss,
            "learning_rate": rate,
            "gradient_norm": gradient_norm,
            "tokens": self.progress.tokens,
            "loss_tokens": self.progress.loss_tokens,
            "padding": self.progress.padding,
            "forgotten": self.progress.forgotten,
            "documents": self.progress.documents,
            "seconds": round(seconds, 4),
            "tokens_per_second": round(rows * length / seconds, 1),
            "components": self.stream.counts(position + rows),
        }
        append_metrics(self.run.metrics, metrics)
        display.show(metrics)

    def _save(self) -> None:
        """Start writing a checkpoint."""
        progress = asdict(self.progress)
        del progress["position"]  # `Stream.state_dict` has it.
        self.checkpoints.save(
            self.progress.step,
            self.model,
            self.optimizer,
            {
                "progress": progress,
                "stream": self.stream.state_dict(self.progress.position),
                "world_size": self.context.world_size,
            },
        )
        self.saved_step = self.progress.step
