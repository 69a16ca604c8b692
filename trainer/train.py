"""The training loop.

Update N trains on sequences position(N) .. position(N) + batch.sequences - 1 of the stream; process
r of w takes the r-th w-th of them, so the world size does not change what the model sees. An update
(`Training._update`):

1. counts tokens and loss weights of the batch, summed over all processes;
2. runs forward and backward for each micro-batch; the loss is a mean over the global batch;
3. computes the norm of the gradient, and skips the update or stops the run if it or the loss is not
   finite;
4. clips the gradient, sets the learning rate, and makes the optimizer step;
5. measures the loss on held-out documents, at each `validation.every`-th update, and appends a
   line to metrics.jsonl.

Each process computes the same decision in step 3, because loss and norm are those of the global
batch. A checkpoint is written in the background while the next updates are made.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

import torch
from torch import Tensor

from manifests.errors import DataError
from objectives.stream.positions import step_position
from objectives.stream.stream import Stream
from objectives.stream.torch_dataset import batches
from objectives.tasks.batch import Batch
from trainer.checkpoints.checkpoint import Checkpoints
from trainer.checkpoints.lease import Lease, exclusive
from trainer.checkpoints.state import RunState
from trainer.config import RunConfig
from trainer.evaluate import Validation
from trainer.interop.record import write_record
from trainer.interop.starting_weights import set_first_weights
from trainer.interop.training_data import record_of_run
from trainer.interrupt import Interrupted, catch_stop_signals
from trainer.losses import LossTable, Sums, count_batch
from trainer.metrics import (
    BatchStats,
    Metrics,
    Progress,
    update_metrics,
)
from trainer.models import Decoder
from trainer.optimization.guard import UpdateGuard
from trainer.optimization.optimizer import clip_and_step, gradient_norm, make_optimizer
from trainer.optimization.schedule import make_schedule
from trainer.out_of_memory import explained
from trainer.parallel import (
    DistributedContext,
    distributed_context,
    prepare_blocks,
    shard,
    uses_bf16,
)
from trainer.reporting.reporter import Reporter
from trainer.reporting.speed import Speed
from trainer.run import checkpoints_path, config_text, open_or_create_run, resume_changes

LOG = logging.getLogger(__name__)


def train(
    config: RunConfig, start: int | None = None, source: Callable[..., Iterator[Batch]] = batches
) -> Metrics:
    """Start or continue the run of a config; return the metrics of its last update.

    Args:
        config: of the run.
        start: step of the checkpoint to continue from; default: the newest whole one.
        source: makes the batches, with the arguments of `batches`.

    Raises:
        UsageError: the config does not fit the run's directory, the mixture, or the processes; or
            another trainer is at work on the run.
        DataError: the loss or the gradient is not finite, the memory does not suffice, a shard is
            damaged, or checkpoints exist and none of them is whole.
        Interrupted: SIGINT, SIGTERM or SIGUSR1 was received; a checkpoint has the last update.
        LeaseLostError: another trainer has taken over the run.
    """
    with distributed_context(config.threads) as context:
        config.micro_batches(context.world_size)
        with exclusive(config.output, context) as lease:
            return Training(config, context, lease, start).fit(source)


class Training:
    """The training of a run, in one of its processes."""

    def __init__(
        self,
        config: RunConfig,
        context: DistributedContext,
        lease: Lease | None = None,
        start: int | None = None,
    ) -> None:
        """Make the model, and read the checkpoint of `start`, or the newest whole one."""
        self.config, self.context, self.lease = config, context, lease
        directory = checkpoints_path(config.output)
        self.checkpoints = Checkpoints(directory, config.checkpoint, context, lease)
        state = self.checkpoints.select(start)
        self.run = open_or_create_run(config, context, state)
        self.stream = Stream.open(self.run.plan)
        self.model = self._make_model()
        self.optimizer = make_optimizer(self.model, config.optimizer)
        self.guard, self.losses = UpdateGuard(config.optimizer), LossTable(self.run.plan)
        self.progress = progress = self._restore(state)
        self.steps = config.steps(self.run.plan.positions, progress.step, progress.position)
        self.schedule = make_schedule(config, self.steps)
        if state is not None and context.rank == 0:
            for change in resume_changes(state, self.run, progress, self.schedule):
                LOG.warning("%s: %s", self.run.path, change)
        self.validation = Validation.of_training(self.run) if config.validation.every else None
        self.speed = Speed(self.model, config, context, self.steps)
        self.saved_step = progress.step
        self.update_started = time.perf_counter()

    def _make_model(self) -> Decoder:
        """Return the sharded model; its weights are not set yet."""
        model = self.run.empty_model()
        prepare_blocks(model, self.config.compile, self.config.activation_checkpointing)
        shard(model, self.context, uses_bf16(self.config, self.context.device))
        return model

    def _restore(self, state: RunState | None) -> Progress:
        """Set weights and optimizer state: from the checkpoint of `state`, or those of step 0."""
        torch.manual_seed(self.config.seed)
        if state is None:
            set_first_weights(self.run, self.model, self.context)
            return Progress()
        self.checkpoints.load(state["progress"]["step"], self.model, self.optimizer)
        self.guard.load_state_dict(state["guard"])
        self.losses.load_state_dict(state["losses"])
        position = self.stream.load_state_dict(state["stream"])
        return Progress(position=position, **state["progress"])

    def fit(self, source: Callable[..., Iterator[Batch]] = batches) -> Metrics:
        """Make the remaining updates; return the metrics of the last one."""
        batch_iterator = source(
            self.stream,
            self.progress.position,
            self.config.batch.sequences,
            rank=self.context.rank,
            world=self.context.world_size,
            workers=self.config.data.workers,
            skipped=self.config.data.skip,
        )
        rank, step = self.context.rank, self.progress.step
        reporter = Reporter(self.run, rank, self.lease, step, self.steps)
        # A command that is refused has changed no checkpoint and no metrics.
        self.checkpoints.set_aside_after(step)
        with reporter, catch_stop_signals() as stop_requested:
            try:
                while self.progress.step < self.steps:
                    if not self._update(next(batch_iterator), stop_requested, reporter):
                        break
                    self.checkpoints.poll()
                    if self.progress.step % self.config.checkpoint.every == 0:
                        self._save()
                if self.saved_step != self.progress.step:
                    self._save()
            finally:
                self.checkpoints.close()
        if self.progress.step < self.steps:
            raise Interrupted(
                f"{self.run.path}: stopped after step {self.progress.step} of {self.steps}; "
                "the same command continues from there"
            )
        if rank == 0:
            self._write_record()
        return self.run.metrics_of(self.steps)

    def _update(self, batch: Batch, stop_requested: Callable[[], bool], reporter: Reporter) -> bool:
        """Make one update; return False, without one, if any process received a stop signal."""
        stats = count_batch(batch, stop_requested())
        if stats.stop_requests:
            return False
        with explained(self.run, self.context):
            sums, loss = self._forward_backward(batch, max(stats.loss_tokens, 1.0))
        norm_tensor, norm = gradient_norm(self.model)
        rate = self.schedule.rate(self.progress.step)
        skipped = self._must_skip(loss, norm)
        if not skipped:
            clip = self.config.optimizer.clip
            clip_and_step(self.model, self.optimizer, norm_tensor, clip, rate)
            self.losses.add(sums)
        self.optimizer.zero_grad()
        reporter.write(self._record(loss, norm, rate, stats, skipped))
        return True

    def _forward_backward(self, batch: Batch, weight: float) -> tuple[Sums, float]:
        """Accumulate the gradient over the micro-batches; return the sums and the mean of the loss.

        Args:
            batch: the sequences of this process.
            weight: sum of the loss weights of the global batch.
        """
        size, device = self.config.batch.micro_batch, self.context.device
        tokens = torch.from_numpy(batch.tokens).to(device).split(size)
        weights = torch.from_numpy(batch.loss_weights).to(device).split(size)
        prefixes = self._prefixes(batch, len(tokens))
        entropies = []
        for micro_batch in zip(tokens, weights, prefixes, strict=True):
            micro_tokens, micro_weights, prefix = micro_batch
            loss = self.model(micro_tokens, micro_weights, self.config.optimizer.z_loss, prefix)
            # FSDP averages gradients over processes; the loss is a mean over the global batch.
            (loss.total * (self.context.world_size / weight)).backward()
            entropies.append(loss.entropy)
        sums = self.losses.batch_sums(batch, torch.cat(entropies).cpu().numpy())
        return sums, self.losses.entropy(sums) / weight

    def _prefixes(self, batch: Batch, parts: int) -> Sequence[Tensor | None]:
        """Return the prefix lengths of each micro-batch; None if no objective of the run has any.

        The choice depends on the run, not on the batch, because a causal mask uses another kernel
        and is compiled separately.
        """
        if not self.stream.has_prefixes:
            return [None] * parts
        prefix = torch.from_numpy(batch.prefix).to(self.context.device)
        return list(prefix.split(self.config.batch.micro_batch))

    def _must_skip(self, loss: float, norm: float) -> bool:
        """Tell whether the update is skipped; DataError if it ends the run instead."""
        step, position = self.progress.step + 1, self._position()
        try:
            fault = self.guard.fault(loss, norm)
        except DataError as error:
            self.checkpoints.finish()
            saved = f"of step {self.saved_step}" if self.saved_step else "not written yet"
            raise DataError(
                f"{self.run.path}: step {step}: {error}; the weights are unchanged, and the newest "
                f"checkpoint is {saved}; `stackpile trace {self.run.path} --step {step} --row 0` "
                "names the documents of a row, and data.skip=[["
                f"{position}, {position + self.config.batch.sequences}]] leaves the step's "
                "sequences out"
            ) from None
        if fault is not None and self.context.rank == 0:
            LOG.warning("%s: step %d is skipped: %s", self.run.path, step, fault)
        return fault is not None

    def _position(self) -> int:
        """Return the stream position of the first sequence of the next update."""
        rows, skip = self.config.batch.sequences, self.config.data.skip
        return step_position(self.progress.position, 0, rows, skip)

    def _record(
        self, loss: float, norm: float, rate: float, stats: BatchStats, skipped: bool
    ) -> Metrics:
        """Advance the progress; return the metrics of the update, which validates if it is due."""
        rows, length = self.config.batch.sequences, self.config.data.sequence_length
        position = self._position()
        self.progress = self.progress.advanced(position, rows, length, stats, skipped)
        started, self.update_started = self.update_started, time.perf_counter()
        seconds = self.update_started - started
        metrics = update_metrics(
            *(self.progress, position, rows, length),
            loss=loss,
            rate=rate,
            norm=norm,
            seconds=seconds,
            mfu=self.speed.mfu(rows * length / seconds),
            remaining_seconds=self.speed.remaining_seconds(self.progress.step),
        )
        if self._is_due(self.config.metrics.components_every):
            metrics["losses"] = self.losses.report()
            metrics["components"] = self.stream.counts(position + rows)
        if self.validation is not None and self._is_due(self.config.validation.every):
            metrics["validation"] = self.validation.scores(self.model, self.context)
            self.update_started = time.perf_counter()
        return metrics

    def _is_due(self, every: int | None) -> bool:
        """Return whether the last update is a multiple of `every`, or the last one of the run."""
        step = self.progress.step
        return every is not None and (step % every == 0 or step == self.steps)

    def _write_record(self) -> None:
        """Write what the run has trained on, which an export of its last checkpoint contains."""
        step, position = self.progress.step, self.progress.position
        if self.lease is not None:
            self.lease.check()
        record = record_of_run(self.run.path, self.run.plan, step, position)
        write_record(self.run.path, record)

    def _save(self) -> None:
        """Start writing a checkpoint."""
        progress = asdict(self.progress)
        del progress["position"]  # `Stream.state_dict` has it.
        state: RunState = {
            "progress": progress,
            "stream": self.stream.state_dict(self.progress.position),
            "guard": self.guard.state_dict(),
            "losses": self.losses.state_dict(),
            "config": config_text(self.config),
            "world_size": self.context.world_size,
        }
        self.checkpoints.save(self.progress.step, self.model, self.optimizer, state)
        self.saved_step = self.progress.step
