"""Loss on held-out documents, one document at a time, in nats a token and bits a byte.

Bits a byte compare models with different vocabularies. Each token is predicted once. The context
of a document's first token is the end token; later tokens also see up to a sequence length of the
document before them.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import torch
from rich.table import Table

from manifests.console.output import numbers_table
from manifests.dataset.dataset import Dataset
from manifests.errors import UsageError
from manifests.tokenizer.tokenizer import decode, load_tokenizer
from trainer.models import Decoder
from trainer.run import Run

Tokens = npt.NDArray[np.int64]

BATCH_TOKENS = 1 << 14
"""Tokens of a batch, padding included."""


class Score(TypedDict):
    """The loss on some documents."""

    documents: int
    tokens: int
    bytes: int
    """Bytes of the documents' text."""
    entropy: float
    """Sum of the cross-entropy of all tokens, in nats."""
    loss: float
    """Nats a token; 0 without tokens."""
    bits_per_byte: float
    """0 without text."""


class RunScores(TypedDict):
    """The scores of a checkpoint."""

    step: int
    components: dict[str, Score]
    """Component -> its score; `all` is the score of all components together."""


def evaluate_run(run: Run, limit: int, step: int | None = None) -> RunScores:
    """Evaluate a checkpoint on the held-out documents of each component of the run's mixture.

    Args:
        run: the run.
        limit: maximum number of documents of a component.
        step: of the checkpoint; default: the last one.

    Raises:
        UsageError: the run has no such checkpoint, or no component has held-out documents.
    """
    tokenizer = load_tokenizer(run.tokenizer)
    model = run.model(step).to("cuda" if torch.cuda.is_available() else "cpu")
    components = {}
    for component in run.plan.components:
        dataset = Dataset.open(component.dataset)
        if component.source_name in dataset.heldout_components:
            heldout = dataset.component(component.source_name, heldout=True)
            components[component.name] = evaluate(
                model,
                heldout.read_documents(),
                end=run.plan.control.end,
                length=run.plan.sequence_length,
                text_bytes=lambda tokens: len(decode(tokenizer, tokens).encode()),
                limit=limit,
            )
    if not components:
        raise UsageError(f"{run.path}: none of its components has held-out documents")
    scores = list(components.values())
    components["all"] = _score(
        sum(score["documents"] for score in scores),
        sum(score["tokens"] for score in scores),
        sum(score["bytes"] for score in scores),
        sum(score["entropy"] for score in scores),
    )
    return {"step": run.checkpoint_step(step), "components": components}


def evaluate(
    model: Decoder,
    documents: Iterable[npt.NDArray[Any]],
    *,
    end: int,
    length: int,
    text_bytes: Callable[[list[int]], int],
    limit: int,
) -> Score:
    """Evaluate a model on documents.

    Args:
        model: not sharded.
        documents: the tokens of each document, without its end token.
        end: id of the end token.
        length: maximum number of tokens of a sequence.
        text_bytes: returns the bytes of a document's text from its tokens.
        limit: maximum number of documents.
    """
    texts = [tokens.astype(np.int64) for tokens in islice(documents, limit) if len(tokens)]
    entropy = sum(_entropy(model, batch) for batch in _batches(texts, end, length))
    size = sum(text_bytes(tokens.tolist()) for tokens in texts)
    return _score(len(texts), sum(map(len, texts)), size, entropy)


def _score(documents: int, tokens: int, size: int, entropy: float) -> Score:
    return {
        "documents": documents,
        "tokens": tokens,
        "bytes": size,
        "entropy": entropy,
        "loss": entropy / max(tokens, 1),
        "bits_per_byte": entropy / math.log(2) / max(size, 1),
    }


def _pieces(document: Tokens, end: int, length: int) -> Iterator[Tokens]:
    """Cut the end token and a document into sequences that overlap by one token."""
    tokens = np.concatenate([np.array([end]), document])
    for start in range(0, len(document), length - 1):
        yield tokens[start : start + length]


def _batches(documents: list[Tokens], end: int, length: int) -> Iterator[list[Tokens]]:
    """Group sequences of similar lengths, so that batches have little padding."""
    pieces = [piece for tokens in documents for piece in _pieces(tokens, end, length)]
    pieces.sort(key=len, reverse=True)
    while pieces:
        rows = max(1, BATCH_TOKENS // len(pieces[0]))
        yield pieces[:rows]
        pieces = pieces[rows:]


@torch.no_grad()
def _entropy(model: Decoder, pieces: list[Tokens]) -> float:
    """Return the sum of the cross-entropy of all but the first token of each sequence."""
    device = next(model.parameters()).device
    tokens = torch.zeros(len(pieces), len(pieces[0]), dtype=torch.int64)
    weights = torch.zeros(tokens.shape)
    for row, piece in enumerate(pieces):
        tokens[row, : len(piece)] = torch.from_numpy(piece)
        weights[row, 1 : len(piece)] = 1
    return float(model(tokens.to(device), weights.to(device)).entropy.sum(dtype=torch.float64))


def scores_table(run: str, scores: RunScores) -> Table:
    """Return the result of `evaluate_run` as a table with one row a component."""
    heads = ("component", "documents", "tokens", "bytes", "loss", "bits per byte")
    table = numbers_table(f"{run}, step {scores['step']}, held-out documents", *heads)
    for name, score in scores["components"].items():
        counts = (f"{count:,}" for count in (score["documents"], score["tokens"], score["bytes"]))
        table.add_row(name, *counts, f"{score['loss']:.3f}", f"{score['bits_per_byte']:.3f}")
    return table
