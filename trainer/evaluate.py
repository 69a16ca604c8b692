"""Loss on held-out documents, each on its own, as bits per byte of text.

Bits per byte compare models of different vocabularies. Each token is predicted once: the first
after the end token, those of a long document with up to a sequence's length before them.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

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
"""Tokens of a batch, padding and all."""


def evaluate_run(run: Run, limit: int, step: int | None = None) -> dict[str, Any]:
    """Evaluate a checkpoint on the held-out documents of each component of the run's mixture.

    Returns:
        `step`, and `components`: name -> what `evaluate` returns, and `all` for their sum.

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
                size=lambda tokens: len(decode(tokenizer, tokens).encode()),
                limit=limit,
            )
    if not components:
        raise UsageError(f"{run.path}: none of its components has held-out documents")
    sums = {
        key: sum(found[key] for found in components.values())
        for key in ("documents", "tokens", "bytes", "entropy")
    }
    components["all"] = sums | rates(sums["entropy"], sums["tokens"], sums["bytes"])
    return {"step": run.step(step), "components": components}


def evaluate(
    model: Decoder,
    documents: Iterable[npt.NDArray[Any]],
    *,
    end: int,
    length: int,
    size: Callable[[list[int]], int],
    limit: int,
) -> dict[str, Any]:
    """Return documents, tokens, bytes, loss (nats a token) and bits_per_byte.

    Args:
        model: what to evaluate, not sharded.
        documents: the tokens of each, without its end token.
        end: the id that ends a document.
        length: tokens that the model sees at once.
        size: gives the bytes of a document's text from its tokens.
        limit: at most so many documents, from the first on.
    """
    found = [d.astype(np.int64) for d in islice(documents, limit) if len(d)]
    entropy = sum(_entropy(model, batch) for batch in _batches(found, end, length))
    tokens = sum(map(len, found))
    text = sum(size(document.tolist()) for document in found)
    return {
        "documents": len(found),
        "tokens": tokens,
        "bytes": text,
        "entropy": entropy,
        **rates(entropy, tokens, text),
    }


def rates(entropy: float, tokens: int, text: int) -> dict[str, float]:
    """Return the loss of `entropy` nats a token, and its bits a byte; 0 over nothing."""
    return {
        "loss": entropy / max(tokens, 1),
        "bits_per_byte": entropy / math.log(2) / max(text, 1),
    }


def _pieces(document: Tokens, end: int, length: int) -> Iterator[Tokens]:
    """Cut a document, its end token put before it, into pieces that overlap by one token."""
    led = np.concatenate([np.array([end]), document])
    for start in range(0, len(document), length - 1):
        yield led[start : start + length]


def _batches(found: list[Tokens], end: int, length: int) -> Iterator[list[Tokens]]:
    """Group pieces of like lengths, so that little is padded."""
    pieces = sorted((p for d in found for p in _pieces(d, end, length)), key=len, reverse=True)
    while pieces:
        rows = max(1, BATCH_TOKENS // len(pieces[0]))
        yield pieces[:rows]
        pieces = pieces[rows:]


@torch.no_grad()
def _entropy(model: Decoder, pieces: list[Tokens]) -> float:
    device = next(model.parameters()).device
    tokens = torch.zeros(len(pieces), len(pieces[0]), dtype=torch.int64)
    weights = torch.zeros(tokens.shape)
    for row, piece in enumerate(pieces):
        tokens[row, : len(piece)] = torch.from_numpy(piece)
        weights[row, 1 : len(piece)] = 1
    return float(model(tokens.to(device), weights.to(device)).entropy)


def render(run: str, result: dict[str, Any]) -> Table:
    """Return what `evaluate_run` measured as a table, a line a component."""
    heads = ("component", "documents", "tokens", "bytes", "loss", "bits per byte")
    table = numbers_table(f"{run}, step {result['step']}, held-out documents", *heads)
    for name, row in result["components"].items():
        counts = (f"{row[key]:,}" for key in ("documents", "tokens", "bytes"))
        table.add_row(name, *counts, f"{row['loss']:.3f}", f"{row['bits_per_byte']:.3f}")
    return table
