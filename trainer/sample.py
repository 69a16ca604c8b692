"""Sampling: from left to right, or into the gap between a prefix and a suffix."""

from collections.abc import Iterator

import torch
from torch import Tensor

from manifests.control import Control
from manifests.errors import BadCall
from trainer.models.layers import Cache, Decoder


def infill_prompt(prefix: list[int], suffix: list[int], control: Control) -> list[int]:
    """Return CodeGen2's infill prompt; the model answers with the span and `<eom>`.

    It is `prefix <mask_1> suffix <|endoftext|> <sep> <mask_1>` (model card of codegen2-1B).

    Raises:
        BadCall: the vocabulary has no masks.
    """
    mask = control.mask(1)
    if control.sep is None:
        raise BadCall("<sep>: the vocabulary has none, so the model cannot infill")
    return [*prefix, mask, *suffix, control.end, control.sep, mask]


def complete(  # noqa: PLR0913
    model: Decoder,
    prompt: list[int],
    stop: frozenset[int],
    *,
    tokens: int = 128,
    temperature: float = 0.2,
    top_p: float = 0.95,
    seed: int = 0,
    samples: int = 1,
) -> list[list[int]]:
    """Return `samples` continuations of `prompt`, each up to `tokens` long, without the stop id.

    Temperature 0.2 and top-p 0.95 are the paper's for pass@1; temperature 0 takes the likeliest.
    """
    rows: list[list[int]] = [[] for _ in range(samples)]
    open_rows = set(range(samples))
    for step in stream_tokens(model, prompt, tokens, temperature, top_p, seed, samples):
        for row in tuple(open_rows):
            if step[row] in stop:
                open_rows.discard(row)
            else:
                rows[row].append(step[row])
        if not open_rows:
            break
    return rows


@torch.no_grad()
def stream_tokens(  # noqa: PLR0913, PLR0917
    model: Decoder,
    prompt: list[int],
    tokens: int,
    temperature: float,
    top_p: float,
    seed: int,
    samples: int = 1,
) -> Iterator[list[int]]:
    """Yield the next token of each of `samples` continuations, `tokens` times."""
    if not prompt:
        raise BadCall("prefix: is empty; a model continues at least one token")
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    cache = Cache(model.shape.layers)
    seen = torch.tensor([prompt] * samples, device=device)
    for _ in range(tokens):
        logits = model.logits(seen, cache, last=True)[:, -1].float()
        seen = choose(logits, temperature, top_p, generator)
        yield seen[:, 0].tolist()


def choose(logits: Tensor, temperature: float, top_p: float, generator: torch.Generator) -> Tensor:
    """Draw one token a row from `logits` [B, V]: int64 [B, 1].

    Only the likeliest tokens that together reach `top_p` take part (nucleus sampling, Holtzman et
    al. 2020); the likeliest one always does.
    """
    if temperature == 0:
        return logits.argmax(1, keepdim=True)
    likely, ids = torch.softmax(logits / temperature, 1).sort(1, descending=True)
    likely[likely.cumsum(1) - likely >= top_p] = 0
    likely[:, 0].clamp_(min=torch.finfo(likely.dtype).tiny)
    return ids.gather(1, torch.multinomial(likely, 1, generator=generator))
