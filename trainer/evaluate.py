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

from trainer.models import Decoder

Tokens = npt.NDArray[np.int64]

BATCH_TOKENS = 1 << 14
"""Tokens of a batch, padding and all."""


def evaluate(
    model: Decoder,
    documents: Iterable[npt.NDArray[Any]],
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


def rates(entropy: float, tokens: int, text: int) -> dict[str, float | None]:
    """Return the loss of `entropy` nats a token, and its bits a byte; None over nothing."""
    return {
        "loss": entropy / tokens if tokens else None,
        "bits_per_byte": entropy / math.log(2) / text if text else None,
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
