"""Batched decoding against one prompt at a time, without a cache."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from manifests.errors import UsageError
from manifests.prng.splitmix import derive_key, uniforms
from trainer.models import Decoder
from trainer.sampling.generate import Completion, Decoding, Sampling, _digest, generate
from trainer.sampling.nucleus import draw_tokens

PROMPTS = [[5, 17, 3], [1], [9, 9, 9, 9, 9, 2, 40], [5, 17], [8, 1, 4], [96, 1, 2, 3, 4, 5, 6, 7]]
FREE = Decoding(context=64, stop=frozenset())


@torch.no_grad()
def one_at_a_time(
    model: Decoder, prompt: Sequence[int], number: int, sampling: Sampling, decoding: Decoding
) -> Completion:
    """Return sample `number` of a prompt: the whole sequence runs through the model every time."""
    key = derive_key(sampling.seed, _digest(prompt), number)
    randoms, tokens = uniforms(key, sampling.tokens), list(prompt)
    while len(tokens) < decoding.context and len(tokens) - len(prompt) < sampling.tokens:
        prefix = None if decoding.prefix is None else torch.tensor([len(prompt) - decoding.prefix])
        hidden = model.hidden(torch.tensor([tokens]), prefix=prefix)
        logits = model.head(hidden[:, -1])
        if decoding.allowed is not None:
            allowed = decoding.allowed.clone()
            allowed[list(decoding.stop)] = True
            logits[:, ~allowed] = -torch.inf
        number_now = torch.tensor(randoms[len(tokens) - len(prompt)])[None]
        token = int(draw_tokens(logits, sampling.temperature, sampling.top_p, number_now))
        if token in decoding.stop:
            return Completion(tokens[len(prompt) :], "stop")
        tokens.append(token)
    made = tokens[len(prompt) :]
    return Completion(made, "tokens" if len(made) == sampling.tokens else "context")


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("prefix", [None, 0, 1])
@pytest.mark.parametrize("rows", [1, 4, 64])
def test_a_batch_gives_what_each_prompt_gives_alone(model, temperature, prefix, rows) -> None:
    sampling = Sampling(11, temperature, 0.95, seed=3, samples=3, rows=rows)
    allowed = torch.arange(97) % 7 != 0
    decoding = Decoding(context=15, stop=frozenset({11, 49}), allowed=allowed, prefix=prefix)
    made = generate(model, PROMPTS, sampling, decoding)
    wanted = [
        [one_at_a_time(model, prompt, number, sampling, decoding) for number in range(3)]
        for prompt in PROMPTS
    ]
    assert made == wanted
    ends = {completion.ended for row in made for completion in row}
    assert "context" in ends if temperature == 0 else ends == {"stop", "tokens", "context"}


def test_a_sample_depends_on_its_prompt_its_number_and_the_seed_alone(model) -> None:
    def draw(prompts, samples: int, seed: int = 1):
        sampling = Sampling(8, 1.0, 1.0, seed=seed, samples=samples)
        return generate(model, prompts, sampling, FREE)

    [four], [one] = draw([[1]], 4), draw([[1]], 1)
    assert four[:1] == one
    assert len({tuple(completion.tokens) for completion in four}) == 4
    assert draw([[7, 7], [1]], 4)[1] == four
    assert draw([[1]], 4, seed=2) != [four]


def test_a_stop_id_ends_a_sample_and_is_left_out(model) -> None:
    greedy = Sampling(tokens=8, temperature=0.0)
    [[whole]] = generate(model, [[1]], greedy, FREE)
    stop = whole.tokens[-1]
    [[cut]] = generate(model, [[1]], greedy, Decoding(64, frozenset({stop})))
    assert cut == Completion(whole.tokens[: whole.tokens.index(stop)], "stop")


def test_tokens_that_are_not_allowed_are_never_drawn(model) -> None:
    allowed = torch.zeros(97, dtype=torch.bool)
    allowed[[4, 50]] = True
    sampling = Sampling(tokens=40, temperature=2.0, top_p=1.0, samples=4)
    [made] = generate(model, [[1]], sampling, Decoding(64, frozenset({60}), allowed))
    assert {token for completion in made for token in completion.tokens} <= {4, 50}
    assert {len(completion.tokens) for completion in made} - {0}
    assert {completion.ended for completion in made} <= {"stop", "tokens"}


def test_the_context_is_a_limit_that_is_said(model) -> None:
    decoding = Decoding(context=10, stop=frozenset())
    made = generate(model, [[1, 2, 3], [4] * 9], Sampling(tokens=100), decoding)
    assert [len(row[0].tokens) for row in made] == [7, 1]
    assert {row[0].ended for row in made} == {"context"}
    for prompt in ([4] * 10, []):
        with pytest.raises(UsageError, match=f"prompt 2 has {len(prompt)} tokens, and the model"):
            generate(model, [[1], prompt], Sampling(), decoding)


def test_progress_counts_samples(model) -> None:
    seen: list[int] = []
    sampling = Sampling(tokens=2, samples=3, rows=4)
    generate(model, [[1], [2], [3]], sampling, FREE, seen.append)
    assert seen == [4, 8, 9]


def test_random_numbers_are_uniform() -> None:
    numbers = uniforms(derive_key(1, 2), 20_000)
    assert numbers.min() >= 0 and numbers.max() < 1
    counts = np.histogram(numbers, bins=10, range=(0, 1))[0]
    assert abs(counts - 2000).max() < 200
