"""Measure batched sampling on the CPU beside transformers' generate, with the same model.

Both continue the same prompts with as many tokens, at temperature 0.2 and top-p 0.95, in float32,
on the same threads. The model has arbitrary weights, and no token ends a sample.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.claims import Claim, main, medians, rate, say
from benchmarks.peers.environment import ask
from manifests.special_tokens import SpecialTokens
from manifests.tokenizer.tokenizer import train_tokenizer
from trainer.interop.export import export
from trainer.models import MODELS, Decoder, DecoderDims
from trainer.sampling.generate import Decoding, Sampling, generate

DIMS = DecoderDims(layers=6, width=384, heads=4, inner=1536)
"""The shape of the benchmark of training; its vocabulary is CodeGen2's."""

VOCABULARY, CONTEXT, TOKENS, RUNS = 51200, 1024, 64, 5
PACKAGES = ("torch", "transformers")
TEMPERATURE, TOP_P = 0.2, 0.95


def small_model() -> Decoder:
    """Return the model with arbitrary weights, whose distributions are peaked as trained ones."""
    torch.manual_seed(1)
    model = MODELS["codegen2"](DIMS, VOCABULARY)
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.2 if name == "head.weight" else 0.02)
    return model.eval()


def write(model: Decoder, directory: str) -> None:
    """Write the model's directory, with a vocabulary of bytes."""
    control = SpecialTokens(end=256, sep=257, eom=258, mask_1=262, masks=4, vocabulary=263)
    export(model, control, CONTEXT, train_tokenizer(["a"], 263, 4), directory)


def ours(model: Decoder, prompts: Sequence[Sequence[int]], samples: int) -> Callable[[], float]:
    """Return a run of Stackpile that returns its tokens a second."""
    sampling = Sampling(TOKENS, TEMPERATURE, TOP_P, samples=samples)
    decoding = Decoding(CONTEXT, frozenset())

    def run() -> int:
        made = generate(model, prompts, sampling, decoding)
        return sum(len(completion.tokens) for row in made for completion in row)

    return lambda: rate(run)


def theirs(model: Any, prompts: Sequence[Sequence[int]], samples: int) -> Callable[[], float]:
    """Return a run of transformers that returns its tokens a second."""
    longest = max(map(len, prompts))
    ids = torch.zeros(len(prompts), longest, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):  # transformers pads on the left
        ids[row, longest - len(prompt) :] = torch.tensor(prompt)
        mask[row, longest - len(prompt) :] = 1

    def run() -> int:
        made = model.generate(
            ids,
            attention_mask=mask,
            do_sample=True,
            temperature=TEMPERATURE,
            top_p=TOP_P,
            top_k=0,
            num_return_sequences=samples,
            max_new_tokens=TOKENS,
            eos_token_id=None,
            pad_token_id=0,
        )
        return int(made[:, longest:].numel())

    return lambda: rate(run)


def measure(data: Path) -> Sequence[Claim]:
    """Sample from one prompt, 16 times from one prompt, and from 16 prompts of several lengths."""
    from transformers import AutoModelForCausalLM

    generator = torch.Generator().manual_seed(2)
    prompts = [
        torch.randint(0, 50_000, (length,), generator=generator).tolist()
        for length in torch.randint(20, 200, (16,), generator=generator).tolist()
    ]
    cases = {
        "1 sample of a prompt of 128 tokens": (1.3, [(prompts[0] * 128)[:128]], 1),
        "16 samples of a prompt of 128 tokens": (1.3, [(prompts[0] * 128)[:128]], 16),
        "16 prompts of 20 to 200 tokens": (1.3, prompts, 1),
    }
    claims = []
    with tempfile.TemporaryDirectory() as work:
        model, place = small_model(), f"{work}/hf"
        write(model, place)
        peer = AutoModelForCausalLM.from_pretrained(place).eval()
        for title, (goal, texts, samples) in cases.items():
            say(f"sampling: {title}")
            runs = ours(model, texts, samples), theirs(peer, texts, samples)
            our_rate, peer_rate = medians(RUNS, *runs)
            text = f"sampling on the CPU, {title}, tokens a second, beside transformers' generate"
            claims.append(Claim(text, our_rate, peer_rate, goal, PACKAGES))
        del peer
        arguments = (place, "128", "16", str(TOKENS))
        peer_peak, our_peak = [
            ask("transformers", "sample_folder", program, *arguments)["peak"] / 2**20
            for program in ("transformers", "stackpile")
        ]
    text = (
        "sampling on the CPU, 16 samples of a prompt of 128 tokens: MiB of transformers' process "
    )
    text += "at its peak over ours"
    return [*claims, Claim(text, peer_peak, our_peak, 0, PACKAGES)]


if __name__ == "__main__":
    main("benchmarks.sampling", measure)
