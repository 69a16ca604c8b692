"""The training loop.

    open the run -> make or restore model, optimizer and position -> for each update: fetch its
    sequences, sum its loss weights over all processes, run its micro-batches, check, clip, step

Update N takes sequences position(N) .. position(N) + batch.sequences - 1 of the stream, and process
r of w the r-th w-th of them, so the world size changes nothing that the model sees.
"""

import math
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor

from manifests.errors import DataError, StackpileError
from objectives.stream.skip import step_position
from objectives.stream.stream import Stream
from objectives.stream.torch_dataset import batches
from objectives.tasks.batch import FORGOTTEN, PADDING, Batch
from trainer.checkpoint import Checkpoints, read_facts, whole_steps
from trainer.config import RunConfig
from trainer.display import Display
from trainer.models import Decoder
from trainer.optimizer import make_optimizer, set_learning_rate
from trainer.parallel import World, has_bf16, initialize, open_world, prepare_blocks, shard
from trainer.run import Run, append_metrics, begin, keep_metrics
from trainer.schedule import learning_rate


class Interrupted(StackpileError):
    """Someone asked the run to stop; its last update is in a checkpoint."""

    exit_code = 130


@dataclass
class Progress:
    """How far a run has come: what its checkpoints hold beside tensors."""

    step: int = 0
    """Updates made."""
    position: int = 0
    """Where the last update ended: the next one starts here, or after what is skipped."""
    tokens: int = 0
    """Positions seen, padding and all."""
    loss_tokens: float = 0.0
    """Sum of the loss weights."""
    padding: int = 0
    """Positions that held no token of a document and no control id."""
    forgotten: int = 0
    """Positions that are padding because a tombstone took what stood there."""
    documents: int = 0
    """Documents and parts of documents, as sequences cut them."""

    def after(self, position: int, rows: int, length: int, seen: "Seen") -> "Progress":
        """Return the progress after an update of `rows` sequences from a position on."""
        return Progress(
            step=self.step + 1,
            position=position + rows,
            tokens=self.tokens + rows * length,
            loss_tokens=self.loss_tokens + seen.loss_tokens,
            padding=self.padding + int(seen.padding),
            forgotten=self.forgotten + int(seen.forgotten),
            documents=self.documents + int(seen.documents),
        )


class Seen(NamedTuple):
    """What the sequences of an update hold, summed over all processes."""

    loss_tokens: float
    padding: float
    forgotten: float
    documents: float
    asked: float
    """How many processes were asked to stop."""


def train(config: RunConfig) -> dict[str, Any]:
    """Train, or go on with, the run of a config; return the metrics of its last update.

    Raises:
        UsageError: the config does not fit the run's directory, the mixture, or the processes.
        DataError: the loss is not finite, or the data is bad.
        Interrupted: SIGINT or SIGTERM came; a checkpoint holds what was done.
    """
    with open_world() as world:
        config.micro_batches(world.size)
        return Training(begin(config, world), world).go()


class Training:
    """A run, as one process of its world sees it."""

    def __init__(self, run: Run, world: World) -> None:
        """Make the model, and restore the last checkpoint if there is one."""
        self.run, self.world, self.config = run, world, run.config
        self.stream = Stream.open(run.plan)
        self.model = self._make_model()
        self.optimizer = make_optimizer(self.model, self.config.optimizer)
        self.checkpoints = Checkpoints(run.checkpoints, self.config.checkpoint.keep, world.rank)
        self.progress = done = self._restore()
        self.steps = self.config.steps(run.plan.positions, done.step, done.position)
        self.saved = self.progress.step
        self.clock = time.perf_counter()

    def _make_model(self) -> Decoder:
        precision = self.config.precision
        bf16 = has_bf16(self.world.device) if precision == "auto" else precision == "bf16"
        with torch.device("meta"):
            model = self.run.empty_model()
        prepare_blocks(model, self.config.compile, self.config.activation_checkpointing)
        shard(model, self.world, bf16)
        return model

    def _restore(self) -> Progress:
        torch.manual_seed(self.config.seed)
        steps = whole_steps(self.run.checkpoints)
        if not steps:
            initialize(self.model, self.config.seed)
            return Progress()
        facts = read_facts(self.run.checkpoints, steps[-1])
        self.checkpoints.load(steps[-1], self.model, self.optimizer)
        position = self.stream.load_state_dict(facts["stream"])
        return Progress(position=position, **facts["progress"])

    def go(self) -> dict[str, Any]:
        """Make the updates that are left."""
        if self.world.rank == 0:
            keep_metrics(self.run.metrics, self.progress.step)
        rows = self.config.batch.sequences
        source = iter(
            batches(
                self.stream,
                self.progress.position,
                rows,
                rank=self.world.rank,
                world=self.world.size,
                workers=self.config.data.workers,
                skipped=self.config.data.skip,
            )
        )
        shown = self.world.rank == 0
        with Display(shown, self.progress.step, self.steps) as display, stop_signals() as asked:
            try:
                while self.progress.step < self.steps:
                    if not self._update(next(source), asked, display):
                        break
                    self.checkpoints.poll()
                    if self.progress.step % self.config.checkpoint.every == 0:
                        self._save()
                if self.saved != self.progress.step:
                    self._save()
            finally:
                self.checkpoints.finish()
        if self.progress.step < self.steps:
            raise Interrupted(
                f"{self.run.path}: stopped after step {self.progress.step} of {self.steps}; "
                "the same command goes on from there"
            )
        return self.run.metric(self.steps)

    def _save(self) -> None:
        progress = asdict(self.progress)
        del progress["position"]  # The stream's own state says it.
        facts = {
            "progress": progress,
            "stream": self.stream.state_dict(self.progress.position),
            "world_size": self.world.size,
        }
        self.checkpoints.save(self.progress.step, self.model, self.optimizer, facts)
        self.saved = self.progress.step

    def _update(self, batch: Batch, asked: Callable[[], bool], display: Display) -> bool:
        """Make one update; False, and none made, where any process was asked to stop."""
        seen = self._look(batch, asked())
        if seen.asked:
            return False
        loss = self._accumulate(batch, max(seen.loss_tokens, 1.0))
        self._check(loss)
        norm = self._step()
        self._record(loss, norm, seen, display)
        return True

    def _look(self, batch: Batch, asked: bool) -> Seen:
        """Count what this update holds, before its first backward pass."""
        # The first token of a sequence is predicted by nothing.
        loss_tokens = batch.loss_weights[:, 1:].sum(dtype=np.float64)
        padding = np.count_nonzero(batch.segment_ids == PADDING)
        forgotten = np.count_nonzero(batch.segment_ids == FORGOTTEN)
        documents = (batch.segment_ids.max(axis=1).clip(-1) + 1).sum()
        counts = [loss_tokens, padding, forgotten, documents, asked]
        sums = torch.tensor(counts, dtype=torch.float64)
        dist.all_reduce(sums)
        return Seen(*sums.tolist())

    def _accumulate(self, batch: Batch, weight: float) -> float:
        """Sum gradients over the micro-batches; return the loss of the global batch."""
        size, device = self.config.batch.micro_batch, self.world.device
        tokens = torch.from_numpy(batch.tokens).to(device).split(size)
        weights = torch.from_numpy(batch.loss_weights).to(device).split(size)
        prefixes = self._prefixes(batch, len(tokens))
        entropy = torch.zeros((), device=device)
        for part, part_weights, prefix in zip(tokens, weights, prefixes, strict=True):
            loss = self.model(part, part_weights, self.config.optimizer.z_loss, prefix)
            # The reduction averages over processes; a weighted mean over all tokens is meant.
            (loss.total * (self.world.size / weight)).backward()
            entropy += loss.entropy
        dist.all_reduce(entropy)
        return entropy.item() / weight

    def _prefixes(self, batch: Batch, parts: int) -> Sequence[Tensor | None]:
        """Return the prefixes of each micro-batch, or nothing where no objective has any.

        Not whether this batch has one: a causal mask is another kernel, and another compilation.
        """
        if not self.stream.has_prefixes:
            return [None] * parts
        prefix = torch.from_numpy(batch.prefix).to(self.world.device)
        return list(prefix.split(self.config.batch.micro_batch))

    def _check(self, loss: float) -> None:
        if not math.isfinite(loss):
            step = self.progress.step + 1
            raise DataError(
                f"{self.run.path}: the loss of step {step} is {loss}; "
                f"the last checkpoint is of step {self.saved}; `stackpile trace {self.run.path} "
                f"--step {step}` names the documents of that step"
            )

    def _step(self) -> float:
        """Clip, step and clear; return the norm of the gradient before clipping."""
        config, step = self.config, self.progress.step
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.optimizer.clip)
        peak, final = config.optimizer.learning_rate, config.schedule.final
        warmup = config.warmup(self.steps)
        self.rate = learning_rate(step, self.steps, warmup, peak, final)
        set_learning_rate(self.optimizer, self.rate)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)

    def _record(self, loss: float, norm: float, seen: Seen, display: Display) -> None:
        rows, length = self.config.batch.sequences, self.config.data.sequence_length
        position = step_position(self.progress.position, 0, rows, self.config.data.skip)
        self.progress = self.progress.after(position, rows, length, seen)
        before, self.clock = self.clock, time.perf_counter()
        seconds = self.clock - before
        if self.world.rank:
            return
        metrics = {
            "step": self.progress.step,
            "position": position,
            "sequences": rows,
            "loss": loss,
            "learning_rate": self.rate,
            "gradient_norm": norm,
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
        display.update(metrics)


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Give a function that tells whether SIGINT or SIGTERM came since; a second one kills.

    Under torchrun further ones are ignored, for it repeats to each process what the terminal sent.
    """
    came: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        came.append(number)
        if "TORCHELASTIC_RUN_ID" not in os.environ:
            signal.signal(number, before[signal.Signals(number)])

    kinds = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, note) for number in kinds}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
