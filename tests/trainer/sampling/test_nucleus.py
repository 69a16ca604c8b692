"""Nucleus sampling against a plain implementation, token by token."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.sampling import nucleus
from trainer.sampling.nucleus import draw_tokens


def plain(logits, temperature: float, top_p: float, uniform: float) -> tuple[int, bool]:
    """Return the token, and whether the choice is far from a boundary, in float64."""
    ids = sorted(range(len(logits)), key=lambda i: -logits[i])
    if temperature == 0:
        return ids[0], logits[ids[0]] - logits[ids[1]] > 1e-6
    weights = [math.exp((logits[i] - logits[ids[0]]) / temperature) for i in ids]
    kept: list[tuple[int, float]] = []
    total, mass = sum(weights), 0.0
    for i, weight in zip(ids, weights, strict=True):
        if kept and mass / total >= top_p:
            break
        kept.append((i, weight))
        mass += weight
    place, chosen = 0.0, kept[-1][0]
    for i, weight in kept:
        place += weight
        if uniform * mass < place:
            chosen = i
            break
    ends = [abs(sum(w for _, w in kept[:n]) / total - top_p) for n in (-1, len(kept))]
    return chosen, min(ends) > 1e-5


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(-40, 40), min_size=2, max_size=40, unique=True),
    st.sampled_from([0, 0.2, 0.8, 1.0, 3.0]),
    st.sampled_from([0.0, 0.1, 0.5, 0.95, 0.999]),
    st.floats(0, 0.999),
    st.sampled_from([2, 8, 256]),
)
def test_a_token_is_that_of_the_plain_implementation(
    numbers, temperature, top_p, uniform, candidates
) -> None:
    logits = [number / 4 for number in numbers]
    wanted, clear = plain(logits, temperature, top_p, uniform)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nucleus, "CANDIDATES", candidates)
        got = draw_tokens(torch.tensor([logits]), temperature, top_p, torch.tensor([uniform]))
    if clear and int(got) != wanted:  # the number lies between the two tokens, to 1e-4
        nudged = [plain(logits, temperature, top_p, uniform + by)[0] for by in (-1e-4, 1e-4)]
        assert int(got) in nudged


def test_the_draws_follow_the_law() -> None:
    logits = torch.log(torch.tensor([[0.05, 0.5, 0.15, 0.3]])).expand(4000, 4)
    uniforms = torch.rand(4000, generator=torch.Generator().manual_seed(0))
    assert set(draw_tokens(logits, 1.0, 0.79, uniforms).tolist()) == {1, 3}
    assert set(draw_tokens(logits, 1.0, 0.0, uniforms).tolist()) == {1}
    assert set(draw_tokens(logits, 0.0, 1.0, uniforms).tolist()) == {1}
    for top_p, shares in [(1.0, [0.05, 0.5, 0.15, 0.3]), (0.79, [0, 0.625, 0, 0.375])]:
        counts = draw_tokens(logits, 1.0, top_p, uniforms).bincount(minlength=4) / 4000
        torch.testing.assert_close(counts, torch.tensor(shares), atol=0.03, rtol=0)


@pytest.mark.parametrize("top_p", [0.3, 0.95, 1.0])
def test_an_excluded_token_is_never_drawn(top_p: float) -> None:
    logits = torch.zeros(2, 600)
    logits[:, ::2] = -torch.inf
    largest = torch.tensor([0.0, 1 - 2**-24])
    for temperature in (0.0, 1.0, 1e-3):
        assert all(i % 2 for i in draw_tokens(logits, temperature, top_p, largest).tolist())


def test_a_row_does_not_depend_on_the_rows_beside_it() -> None:
    generator = torch.Generator().manual_seed(3)
    flat = torch.randn(1, 5000, generator=generator) / 100
    peaked = torch.randn(3, 5000, generator=generator) * 8
    uniforms = torch.tensor([0.3, 0.9, 0.5, 0.1])
    rows = torch.cat([flat, peaked])
    together = draw_tokens(rows, 0.8, 0.95, uniforms)
    alone = [draw_tokens(rows[i : i + 1], 0.8, 0.95, uniforms[i : i + 1]) for i in range(4)]
    assert together.tolist() == [int(token) for token in alone]
