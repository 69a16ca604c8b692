"""Sampling: text after a prefix, or between a prefix and a suffix."""

from dataclasses import dataclass

import torch
from rich.text import Text
from torch import Tensor

from manifests.console.output import printable
from manifests.errors import UsageError
from manifests.tokenizer.tokenizer import decode, load_text_tokenizer, load_tokenizer
from objectives.stream.plan import Plan
from trainer.models.layers import Decoder, KVCache
from trainer.run import Run


@dataclass(frozen=True)
class Sampling:
    """How texts are sampled.

    Attributes:
        tokens: maximum number of tokens of a sample.
        temperature: 0 takes the likeliest token. Default: CodeGen2's for pass@1.
        top_p: see `sample_top_p`. Published: CodeGen's (arXiv 2203.13474).
        seed: of the random draws.
        samples: number of samples.
    """

    tokens: int = 128
    temperature: float = 0.2
    top_p: float = 0.95
    seed: int = 0
    samples: int = 1


def sample_text(
    run: Run, prefix: str, suffix: str | None, sampling: Sampling, step: int | None = None
) -> list[str]:
    """Return texts that follow `prefix`, or that fill the gap between `prefix` and `suffix`.

    Raises:
        UsageError: the run has no such checkpoint, it was trained on no infilling objective, or the
            prompt is too long.
    """
    encoder, control = load_text_tokenizer(run.tokenizer), run.plan.control
    texts = [prefix] if suffix is None else [prefix, suffix]
    ids = [encoder.encode(text, add_special_tokens=False).ids for text in texts]
    if suffix is None:
        # A document begins after an end token.
        prompt, stop = ids[0] or [control.end], frozenset({control.end})
    else:
        prompt, stop = _infill_prompt(run.plan, ids[0], ids[1])
    if len(prompt) >= run.plan.sequence_length:
        raise UsageError(
            f"prefix: the prompt has {len(prompt)} tokens, and the model was trained on "
            f"{run.plan.sequence_length} at once"
        )
    decoder = load_tokenizer(run.tokenizer)
    outputs = generate(run.model(step), prompt, stop, sampling)
    return [decode(decoder, output) for output in outputs]


def _infill_prompt(
    plan: Plan, prefix: list[int], suffix: list[int]
) -> tuple[list[int], frozenset[int]]:
    """Return the infill prompt of an objective that the run was trained on, and its stop tokens.

    With several such objectives, the first one of the registry.

    Raises:
        UsageError: the run was trained on no infilling objective.
    """
    for objective in plan.objectives().values():
        prompt = objective.infill_prompt(prefix, suffix)
        if prompt is not None:
            return prompt, objective.stop_tokens
    raise UsageError("--suffix: no objective of this run fills in between a prefix and a suffix")


@torch.no_grad()
def generate(
    model: Decoder, prompt: list[int], stop: frozenset[int], sampling: Sampling
) -> list[list[int]]:
    """Return continuations of `prompt`. An id of `stop` ends a continuation and is left out."""
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(sampling.seed)
    cache = KVCache(model.dims.layers)
    outputs: list[list[int]] = [[] for _ in range(sampling.samples)]
    active = set(range(sampling.samples))
    inputs = torch.tensor([prompt] * sampling.samples, device=device)
    for _ in range(sampling.tokens):
        logits = model.logits(inputs, cache, last=True)[:, -1].float()
        inputs = sample_top_p(logits, sampling.temperature, sampling.top_p, generator)
        ids = inputs[:, 0].tolist()
        active -= {row for row in active if ids[row] in stop}
        if not active:
            break
        for row in active:
            outputs[row].append(ids[row])
    return outputs


def sample_top_p(
    logits: Tensor, temperature: float, top_p: float, generator: torch.Generator
) -> Tensor:
    """Draw one token a row from `logits` [B, V] by nucleus sampling; return int64 [B, 1].

    The draw is from the likeliest tokens whose probabilities add up to `top_p`, and from at least
    one token (Holtzman et al. 2020).
    """
    if temperature == 0:
        return logits.argmax(1, keepdim=True)
    probabilities, ids = torch.softmax(logits / temperature, 1).sort(1, descending=True)
    probabilities[probabilities.cumsum(1) - probabilities >= top_p] = 0
    probabilities[:, 0].clamp_(min=torch.finfo(probabilities.dtype).tiny)
    return ids.gather(1, torch.multinomial(probabilities, 1, generator=generator))


def samples_text(prefix: str, texts: list[str], suffix: str | None) -> Text:
    """Return each sample between prefix and suffix, in color, with control characters replaced."""
    before, after = Text(printable(prefix)), Text(printable(suffix or ""))
    shown = [before + Text(printable(text), "bold green") + after for text in texts]
    return Text("\n", no_wrap=True, overflow="ignore").join(shown)
