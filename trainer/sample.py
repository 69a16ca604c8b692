"""Sampling: from left to right, or into the gap between a prefix and a suffix."""

from typing import Any

import torch
from rich.text import Text
from torch import Tensor

from manifests.console.output import printable
from manifests.errors import UsageError
from manifests.special_tokens import SpecialTokens
from manifests.tokenizer.tokenizer import decode, load_text_tokenizer, load_tokenizer
from objectives.stream.plan import Plan
from objectives.tasks import fim, ul2
from trainer.models.layers import Decoder, KVCache
from trainer.run import Run


def sample_text(
    run: Run, prefix: str, suffix: str | None, step: int | None = None, **how: Any
) -> list[str]:
    """Return texts that go on from `prefix`, or, given a `suffix`, that fill the gap before it.

    `how` is passed on to `complete`.

    Raises:
        UsageError: the run has no such checkpoint, it learned to fill no gaps, or the prompt is too
            long.
    """
    encoder, control = load_text_tokenizer(run.tokenizer), run.plan.control
    texts = [prefix] if suffix is None else [prefix, suffix]
    ids = [encoder.encode(text, add_special_tokens=False).ids for text in texts]
    if suffix is None:
        # A document begins behind an end token.
        prompt, stop = ids[0] or [control.end], {control.end}
    else:
        prompt = _infill_prompt(run.plan, ids[0], ids[1])
        stop = {control.end, *([] if control.eom is None else [control.eom])}
    if len(prompt) >= run.plan.sequence_length:
        raise UsageError(
            f"prefix: the prompt has {len(prompt)} tokens, and the model was trained on "
            f"{run.plan.sequence_length} at once"
        )
    decoder = load_tokenizer(run.tokenizer)
    answers = complete(run.model(step), prompt, frozenset(stop), **how)
    return [decode(decoder, answer) for answer in answers]


def _infill_prompt(plan: Plan, prefix: list[int], suffix: list[int]) -> list[int]:
    """Return the prompt of the objective that the run learned to fill gaps by.

    Of several, the first of span corruption, FIM, causal masking, and UL2's R and X denoisers,
    whose spans stand in the order of span corruption's.

    Raises:
        UsageError: it learned none of them.
    """
    control = plan.control
    learned = {slot.objective for stage in plan.stages for slot in stage.slots}
    if "span_corruption" in learned:
        return infill_prompt(prefix, suffix, control)
    if "fim" in learned:
        settings = fim.Settings.model_validate(plan.settings.get("fim", {}))
        front, behind, middle = fim.sentinels_of(control, settings)
        return [front, *prefix, behind, *suffix, middle]
    if "causal_masking" in learned:
        mask = control.mask(1)
        return [*prefix, mask, *suffix, control.end, mask]
    if not learned.isdisjoint(ul2.DENOISERS):
        return infill_prompt(prefix, suffix, control)
    raise UsageError("--suffix: this run learned no objective that fills gaps")


def infill_prompt(prefix: list[int], suffix: list[int], control: SpecialTokens) -> list[int]:
    """Return CodeGen2's infill prompt; the model answers with the span and `<eom>`.

    It is `prefix <mask_1> suffix <|endoftext|> <sep> <mask_1>` (model card of codegen2-1B).

    Raises:
        UsageError: the vocabulary has no masks.
    """
    mask = control.mask(1)
    if control.sep is None:
        raise UsageError("<sep>: the vocabulary has none, so the model cannot infill")
    return [*prefix, mask, *suffix, control.end, control.sep, mask]


@torch.no_grad()
def complete(
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
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    cache = KVCache(model.dims.layers)
    rows: list[list[int]] = [[] for _ in range(samples)]
    going = set(range(samples))
    seen = torch.tensor([prompt] * samples, device=device)
    for _ in range(tokens):
        logits = model.logits(seen, cache, last=True)[:, -1].float()
        seen = sample_top_p(logits, temperature, top_p, generator)
        drawn = seen[:, 0].tolist()
        going -= {row for row in going if drawn[row] in stop}
        if not going:
            break
        for row in going:
            rows[row].append(drawn[row])
    return rows


def sample_top_p(
    logits: Tensor, temperature: float, top_p: float, generator: torch.Generator
) -> Tensor:
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


def render(prefix: str, texts: list[str], suffix: str | None) -> Text:
    """Return samples between what was given, the sampled text in color."""
    before, after = Text(printable(prefix)), Text(printable(suffix or ""))
    shown = [before + Text(printable(text), "bold green") + after for text in texts]
    return Text("\n", no_wrap=True, overflow="ignore").join(shown)
