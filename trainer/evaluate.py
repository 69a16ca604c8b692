"""Loss on held-out documents, in nats a token and bits a byte, and loss on gaps.

Bits a byte compare models with different vocabularies.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from rich.table import Table
from torch.distributed.fsdp import FSDPModule

from manifests.console.output import numbers_table
from trainer.heldout import HeldOutDocument, ScoredSequence, read_heldout
from trainer.models import Decoder
from trainer.parallel import DistributedContext
from trainer.run import Run

BATCH_TOKENS = 1 << 14
"""Tokens of a batch, padding included."""


class Score(TypedDict):
    """The loss on some documents."""

    documents: int
    tokens: int
    """Tokens of the documents; of a Prefix-LM, those behind the prefixes."""
    bytes: int
    """Bytes of the text of these tokens."""
    loss: float | None
    """Mean cross-entropy of these tokens, in nats; None if it is not finite."""
    bits_per_byte: float | None
    """Cross-entropy of these tokens, in bits, over `bytes`; 0 without text, else like `loss`."""
    infill_tokens: int
    """Tokens of the answers to infill prompts; 0 if no objective of the run fills gaps."""
    infill_loss: float | None
    """Mean cross-entropy of the answers' tokens, in nats; None without answers, and like `loss`."""


class Scores(TypedDict):
    """The scores of a model."""

    languages: dict[str, Score]
    """"natural language" and "programming language" -> the score of their components."""
    components: dict[str, Score]
    """Component -> its score; `all` is the score of all components together."""


class RunScores(Scores):
    """The scores of a checkpoint."""

    step: int


class _Batch(NamedTuple):
    """Sequences that are scored together, and the shape to which they are padded."""

    sequences: list[ScoredSequence]
    cells: list[int]
    """Which sum each sequence counts for: 2 * component + is_gap."""
    rows: int
    length: int


class Validation:
    """Scores models on the same documents.

    The processes of a run share the work. The result does not depend on their number, except for
    the rounding of sums.
    """

    def __init__(
        self,
        documents: Sequence[HeldOutDocument],
        tokens: int = BATCH_TOKENS,
        length: int | None = None,
    ) -> None:
        """Arrange documents in batches.

        Args:
            documents: at least one.
            tokens: maximum number of tokens of a batch, padding included; a batch has at least
                one sequence.
            length: tokens to which each sequence is padded, for a model that is compiled for one
                shape; default: as many as the longest of the batch.
        """
        self._languages = {document.component: document.language for document in documents}
        places = {name: place for place, name in enumerate(self._languages)}
        self._counts = np.zeros((len(places), 4))  # documents, tokens, bytes, tokens of answers
        pairs: list[tuple[int, ScoredSequence]] = []
        for document in documents:
            place = places[document.component]
            self._counts[place, :3] += (1, document.tokens, document.bytes)
            for sequence in document.sequences:
                pairs.append((2 * place + sequence.is_gap, sequence))
                self._counts[place, 3] += sequence.is_gap * sequence.counted
        self._batches = list(_batches(pairs, tokens, length))

    @classmethod
    def of_training(cls, run: Run) -> "Validation":
        """Return the validation of a run while it trains: as many tokens as in a micro-batch.

        Raises:
            UsageError: no component has held-out documents.
        """
        config, length = run.config, run.plan.sequence_length
        documents = list(read_heldout(run.plan, run.tokenizer, config.validation.documents))
        tokens = config.batch.micro_batch * length
        return cls(documents, tokens, length if config.compile else None)

    def scores(self, model: Decoder, context: DistributedContext | None = None) -> Scores:
        """Return the scores of a model; its weights stay as they are.

        Args:
            model: sharded over the processes of `context`, all of which call this method; not
                sharded without a context.
            context: the processes; None for one process.
        """
        rank, world = (context.rank, context.world_size) if context else (0, 1)
        sums = np.zeros(2 * len(self._counts))
        # A sharded model computes in all processes at once, so that each has as many batches.
        for first in range(0, len(self._batches), world):
            is_own = first + rank < len(self._batches)
            batch = self._batches[first + rank if is_own else first]
            entropy = _entropy(model, batch)
            if is_own:
                np.add.at(sums, batch.cells, entropy)
        if context is not None:
            dist.all_reduce(torch.from_numpy(sums))
        if isinstance(model, FSDPModule):
            # A backward pass would have done so; the optimizer updates sharded weights.
            model.reshard()
        rows = np.hstack((self._counts, sums.reshape(-1, 2)))
        components = {name: _score(row) for name, row in zip(self._languages, rows, strict=True)}
        of_row = np.array(list(self._languages.values()))
        languages = {
            language: _score(rows[of_row == language].sum(axis=0))
            for language in np.unique(of_row).tolist()
        }
        components["all"] = _score(rows.sum(axis=0))
        return {"languages": languages, "components": components}


def evaluate_run(run: Run, limit: int, step: int | None = None) -> RunScores:
    """Evaluate a checkpoint on the held-out documents of each component of the run's mixture.

    Args:
        run: the run.
        limit: maximum number of documents of a component.
        step: of the checkpoint; default: the last one.

    Raises:
        UsageError: the run has no such checkpoint, or no component has held-out documents.
    """
    step = run.checkpoint_step(step)
    model = run.model(step).to("cuda" if torch.cuda.is_available() else "cpu")
    documents = list(read_heldout(run.plan, run.tokenizer, limit))
    return {"step": step, **Validation(documents).scores(model)}


def _score(sums: npt.NDArray[np.float64]) -> Score:
    """Return the score of some documents.

    Args:
        sums: [6]: documents, tokens, bytes, tokens of the answers, entropy of the documents,
            entropy of the answers.
    """
    documents, tokens, size, answers, entropy, gaps = sums.tolist()
    return {
        "documents": int(documents),
        "tokens": int(tokens),
        "bytes": int(size),
        "loss": _finite(entropy / max(tokens, 1)),
        "bits_per_byte": _finite(entropy / math.log(2) / max(size, 1)),
        "infill_tokens": int(answers),
        "infill_loss": _finite(gaps / answers) if answers else None,
    }


def _finite(number: float) -> float | None:
    """Return a number; None if JSON has no such number."""
    return number if math.isfinite(number) else None


def _batches(
    pairs: list[tuple[int, ScoredSequence]], tokens: int, length: int | None
) -> Iterator[_Batch]:
    """Group sequences of similar lengths, so that batches have little padding.

    A batch has causal sequences or sequences with a prefix, for which models use another kernel.
    """
    for has_prefix in (False, True):
        rest = [pair for pair in pairs if (pair[1].prefix > 0) == has_prefix]
        rest.sort(key=lambda pair: -len(pair[1].tokens))
        while rest:
            width = length or len(rest[0][1].tokens)
            rows = max(1, tokens // width)
            cells, sequences = zip(*rest[:rows], strict=True)
            height = len(cells) if length is None else rows
            yield _Batch(list(sequences), list(cells), height, width)
            rest = rest[rows:]


@torch.no_grad()
def _entropy(model: Decoder, batch: _Batch) -> npt.NDArray[np.float64]:
    """Return the sum of the cross-entropy of the tokens that count, of each sequence."""
    device = next(model.parameters()).device
    tokens = torch.zeros(batch.rows, batch.length, dtype=torch.int64)
    weights, prefix = torch.zeros(tokens.shape), torch.zeros(batch.rows, dtype=torch.int64)
    for row, sequence in enumerate(batch.sequences):
        size = len(sequence.tokens)
        tokens[row, :size] = torch.from_numpy(sequence.tokens.astype(np.int64))
        weights[row, sequence.first : size] = 1
        prefix[row] = sequence.prefix
    bidirectional = prefix.to(device) if bool(prefix.any()) else None
    loss = model(tokens.to(device), weights.to(device), prefix=bidirectional)
    entropy: npt.NDArray[np.float64] = loss.entropy[: len(batch.cells)].double().cpu().numpy()
    return entropy


def scores_table(run: str, scores: RunScores) -> Table:
    """Return the result of `evaluate_run` as a table with one row a component."""
    heads = ("component", "documents", "tokens", "bytes", "loss", "bits per byte", "infill loss")
    table = numbers_table(f"{run}, step {scores['step']}, held-out documents", *heads)
    for name, score in (scores["languages"] | scores["components"]).items():
        counts = (f"{count:,}" for count in (score["documents"], score["tokens"], score["bytes"]))
        losses = (score["loss"], score["bits_per_byte"], score["infill_loss"])
        shown = ("-" if loss is None else f"{loss:.3f}" for loss in losses)
        table.add_row(name, *counts, *shown)
    return table
