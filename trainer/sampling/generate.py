"""Decoding of many prompts: a shared prefill for the samples of a prompt, then token by token.

Prompts are decoded in batches of rows, prompts of similar length together. A row that has ended
leaves its batch. Sample k of a prompt is a function of the model, the prompt, the settings and k:
its random numbers are keyed by the seed, the prompt's tokens and k, and neither other prompts nor
other samples nor the size of a batch change them. (Matrix products of another batch size round
differently, which may decide between two tokens whose logits differ by some 1e-5.)
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from manifests.errors import UsageError
from manifests.prng.splitmix import derive_key, uniforms
from trainer.models import Decoder
from trainer.models.kv_cache import KVCache
from trainer.sampling.nucleus import draw_tokens

KEPT_SHARE = 0.75
"""Share of rows that go on at which the others leave a batch. Ours: leaving copies the cache."""

Ended = Literal["stop", "tokens", "context"]
"""Why a sample ended: a stop id, the maximum number of tokens, or the model's context."""


@dataclass(frozen=True)
class Sampling:
    """How samples are drawn.

    Attributes:
        tokens: maximum number of tokens of a sample.
        temperature: 0 takes the likeliest token. Published: CodeGen2's for pass@1 (arXiv
            2305.02309, Table 3).
        top_p: see `draw_tokens`. Published: CodeGen's (arXiv 2203.13474).
        seed: of the random draws.
        samples: number of samples of each prompt.
        rows: maximum number of samples that are decoded at once. Ours: the cache of 32 rows of
            2,048 tokens of CodeGen2's 1B takes 8.6 GB in float32.
    """

    tokens: int = 128
    temperature: float = 0.2
    top_p: float = 0.95
    seed: int = 0
    samples: int = 1
    rows: int = 32


@dataclass(frozen=True)
class Decoding:
    """What ends a sample, and which tokens it may have.

    Attributes:
        context: maximum number of tokens of a prompt and its sample together.
        stop: ids that end a sample and are left out.
        allowed: bool [vocabulary], the tokens that may be drawn besides `stop`; None: all.
        prefix: tokens at the end of a prompt that its front does not attend to: the others attend
            to each other (Prefix-LM). None: attention is causal.
        is_enough: tells whether a sample's tokens need no more, so that it ends; None: never.
    """

    context: int
    stop: frozenset[int]
    allowed: Tensor | None = None
    prefix: int | None = None
    is_enough: Callable[[Sequence[int]], bool] | None = None


@dataclass(frozen=True)
class Completion:
    """One sample of a prompt.

    Attributes:
        tokens: its ids, without the stop id.
        ended: why it ended.
    """

    tokens: list[int]
    ended: Ended


def generate(
    model: Decoder,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling,
    decoding: Decoding,
    progress: Callable[[int], None] = lambda done: None,
) -> list[list[Completion]]:
    """Return `sampling.samples` completions of each prompt, in the order of the prompts.

    Args:
        model: not sharded, on the device that decodes.
        prompts: token ids, at least one each.
        sampling: how samples are drawn.
        decoding: what ends them.
        progress: called with the number of finished samples after each batch.

    Raises:
        UsageError: a prompt leaves no room for a token in the context.
    """
    for number, prompt in enumerate(prompts):
        if not 0 < len(prompt) < decoding.context:
            which = f"prompt {number + 1}" if len(prompts) > 1 else "the prompt"
            raise UsageError(
                f"{which} has {len(prompt)} tokens, and the model has a context of "
                f"{decoding.context}, of which a sample needs one"
            )
    results: list[list[Completion]] = [[] for _ in prompts]
    for jobs in _batches(prompts, sampling.samples, sampling.rows):
        batch = [prompts[number] for number, _, _ in jobs]
        numbers = [range(first, stop) for _, first, stop in jobs]
        made = _decode(model, batch, numbers, sampling, decoding)
        for (number, _, _), completions in zip(jobs, made, strict=True):
            results[number] += completions
        progress(sum(map(len, results)))
    return results


def _batches(
    prompts: Sequence[Sequence[int]], samples: int, rows: int
) -> Iterator[list[tuple[int, int, int]]]:
    """Yield batches of (number of a prompt, first sample, stop sample) with at most `rows` samples.

    The longest prompts come first, so that a cache that does not fit into memory fails at once.
    """
    batch: list[tuple[int, int, int]] = []
    free = rows
    for number in sorted(range(len(prompts)), key=lambda i: len(prompts[i]), reverse=True):
        first = 0
        while first < samples:
            stop = min(samples, first + free)
            batch.append((number, first, stop))
            free -= stop - first
            first = stop
            if not free:
                yield batch
                batch, free = [], rows
    if batch:
        yield batch


@torch.inference_mode()
def _decode(
    model: Decoder,
    prompts: Sequence[Sequence[int]],
    samples: Sequence[range],
    sampling: Sampling,
    decoding: Decoding,
) -> list[list[Completion]]:
    """Return the completions of prompts that are decoded together.

    Args:
        model: not sharded.
        prompts: token ids.
        samples: the numbers of each prompt's samples.
        sampling: how samples are drawn.
        decoding: what ends them.
    """
    rows = [(prompt, k) for prompt, numbers in zip(prompts, samples, strict=True) for k in numbers]
    limits = np.array([min(sampling.tokens, decoding.context - len(prompt)) for prompt, _ in rows])
    steps = int(limits.max())
    device = model.embed.weight.device
    penalties = _penalties(decoding, model.vocabulary, device)
    randoms = torch.from_numpy(_random_numbers(rows, sampling.seed, steps)).to(device)
    logits, cache = _prefill(model, prompts, [*map(len, samples)], steps, decoding.prefix)
    outputs: list[list[int]] = [[] for _ in rows]
    stopped = np.zeros(len(rows), np.bool_)
    active = np.arange(len(rows))
    for step in range(steps):
        scores = logits.float().add_(penalties)
        tokens = draw_tokens(scores, sampling.temperature, sampling.top_p, randoms[:, step])
        for row, token in zip(active.tolist(), tokens.tolist(), strict=True):
            if not stopped[row] and step < limits[row]:
                stopped[row] = token in decoding.stop
                if not stopped[row]:
                    outputs[row].append(token)
                    stopped[row] = bool(decoding.is_enough and decoding.is_enough(outputs[row]))
        goes_on = ~stopped[active] & (step + 1 < limits[active])
        if not goes_on.any():
            break
        if goes_on.sum() <= KEPT_SHARE * len(active):
            kept = torch.from_numpy(np.flatnonzero(goes_on)).to(device)
            cache.keep(kept)
            tokens, randoms, active = tokens[kept], randoms[kept], active[goes_on]
        logits = model.head(model.hidden(tokens[:, None], cache)[:, 0])
        cache.advance()
    completions = (
        Completion(tokens, "stop" if ended else "tokens" if limit == sampling.tokens else "context")
        for tokens, ended, limit in zip(outputs, stopped, limits.tolist(), strict=True)
    )
    return [list(islice(completions, len(numbers))) for numbers in samples]


def _penalties(decoding: Decoding, vocabulary: int, device: torch.device) -> Tensor:
    """Return what is added to logits: float32 [vocabulary], -inf for tokens that are not drawn."""
    penalties = torch.zeros(vocabulary)
    if decoding.allowed is not None:
        penalties[~decoding.allowed] = -torch.inf
        for token in decoding.stop:
            penalties[token] = 0
    return penalties.to(device)


def _random_numbers(
    rows: Sequence[tuple[Sequence[int], int]], seed: int, steps: int
) -> npt.NDArray[np.float32]:
    """Return a number for each token of each (prompt, sample), from 0 to below 1, [rows, steps]."""
    digests = {id(prompt): _digest(prompt) for prompt, _ in rows}
    keys = [derive_key(seed % (1 << 64), digests[id(prompt)], k) for prompt, k in rows]
    return np.stack([uniforms(key, steps) for key in keys])


def _digest(prompt: Sequence[int]) -> int:
    """Return a 64-bit number of a prompt's tokens."""
    tokens = np.array(prompt, "<i8").tobytes()
    return int.from_bytes(hashlib.blake2b(tokens, digest_size=8).digest(), "little")


def _prefill(
    model: Decoder,
    prompts: Sequence[Sequence[int]],
    copies: Sequence[int],
    steps: int,
    prefix: int | None,
) -> tuple[Tensor, KVCache]:
    """Run each prompt once.

    Args:
        model: not sharded.
        prompts: token ids.
        copies: rows of each prompt.
        steps: tokens that a row may have besides its prompt.
        prefix: as in `Decoding`.

    Returns:
        The logits [rows, vocabulary] after each row's prompt, and the rows' cache.
    """
    weight, dims = model.embed.weight, model.dims
    lengths = torch.tensor([*map(len, prompts)], device=weight.device)
    longest = int(lengths.max())
    tokens = torch.zeros(len(prompts), longest, dtype=torch.int64)
    for row, prompt in enumerate(prompts):
        tokens[row, : len(prompt)] = torch.tensor(prompt)
    slots = longest + steps
    shared = max(copies) > 1
    cache = KVCache.allocate(
        dims.layers,
        len(prompts),
        dims.heads,
        longest if shared else slots,
        dims.head_dim,
        device=weight.device,
        dtype=weight.dtype,
    )
    bidirectional = None if prefix is None else (lengths - prefix).clamp(min=0)
    hidden = model.hidden(tokens.to(weight.device), cache, bidirectional)
    cache.set_lengths(lengths)
    last = hidden[torch.arange(len(prompts), device=weight.device), lengths - 1]
    if shared:
        repeats = torch.tensor(copies, device=weight.device)
        cache, last = cache.repeated(repeats, slots), last.repeat_interleave(repeats, 0)
    return model.head(last), cache
