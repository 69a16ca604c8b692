"""The size of units: padding is small, few segments are thinned, and K holds the shares."""

import logging

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from manifests.errors import UsageError
from manifests.mixture.config import load_mixture
from manifests.mixture.mixture import make_mixture
from manifests.special_tokens import MASKS
from objectives.stream.plan import make_plan
from objectives.stream.stream import Stream
from objectives.stream.unit_sizes import first_addresses, first_sizes
from objectives.tasks.batch import PADDING
from objectives.tasks.ul2 import DENOISERS, denoised
from tests.objectives.rows import CONTROL


@pytest.fixture
def mixture(small_dataset, tmp_path):
    out = str(tmp_path / "MIX.toml")
    make_mixture([small_dataset], {"the-stack": 1.0, "the-pile": 1.0}, epochs=3, out=out)
    return load_mixture(out)


@pytest.mark.parametrize("objective", ["codegen2", "span_corruption", "causal_masking"])
@pytest.mark.parametrize("files", ["even", "lognormal"])
def test_at_most_one_segment_of_a_hundred_is_thinned(memory, objective, files):
    draws = np.random.default_rng(0).lognormal(6.2, 1.3, 3000).astype(int)
    lengths = np.full(3000, 1200) if files == "even" else np.maximum(draws, 1)
    component = memory.component("s/a", lengths)
    plan = memory.plan([component], objective=objective, length=1024)
    batch = Stream(plan, {"s/a": component}).batch(0, 12 * plan.group)
    assert batch.eligible.sum() > 0
    assert batch.thinned.sum() < 0.01 * batch.eligible.sum()
    padding = np.mean(batch.segment_ids == PADDING)
    assert padding < 0.015


def test_a_plan_says_the_padding_that_its_batches_have(mixture):
    plan = make_plan(mixture, "codegen2", batch=4, sequence_length=64)
    segment_ids = Stream.open(plan).batch(0, 40 * plan.group).segment_ids
    assert np.mean(segment_ids == PADDING) == pytest.approx(plan.padding, abs=0.01)
    assert {c.unit_size < 64 * len(plan.slots) for c in plan.components} == {True}
    assert make_plan(mixture, "codegen2", batch=4, sequence_length=64) == plan


@given(st.integers(0, 8), st.integers(1, 64), st.integers(1, 4096))
@example(exponent=8, step=3, epoch=80)
def test_a_plan_made_again_with_its_own_interleave_is_the_same(exponent, step, epoch):
    sequences, interleave = first_sizes(1 << exponent, 1, epoch, step)
    assert first_sizes(interleave, 1, epoch, step) == (sequences, interleave)


def test_units_of_a_mix_have_its_shares(mixture):
    plan = make_plan(mixture, {"clm": 0.7, "ul2_s": 0.3}, batch=1, sequence_length=64)
    assert (plan.slots.count("clm"), plan.slots.count("ul2_s")) in ((7, 3), (14, 6))
    with pytest.raises(UsageError, match=r"no unit of up to 64 sequences has the shares clm 0\.33"):
        make_plan(mixture, {"clm": 0.33, "ul2_s": 0.67}, batch=1, sequence_length=64)


def test_too_few_masks_for_a_denoiser_are_a_warning_and_counted(mixture, caplog):
    """The vocabulary has 32 masks; a sequence of 512 tokens needs about 60, all of one file or not.

    The first segments of a sequence have all their spans, one has fewer, and the others none.
    """
    caplog.set_level(logging.WARNING)
    plan = make_plan(mixture, "ul2_x3", batch=1, sequence_length=512)
    message = f"{100 * plan.thinned:.1f} % of the segments that the objectives change will have"
    assert message in caplog.text
    assert "the vocabulary too few masks (32)" in caplog.text
    batch = Stream.open(plan).batch(0, 8 * plan.group)
    assert plan.thinned > 0.2
    assert batch.thinned.sum() / batch.eligible.sum() == pytest.approx(plan.thinned, rel=0.15)
    padding = np.mean(batch.segment_ids == PADDING)
    assert padding == pytest.approx(plan.padding, abs=0.01)


def test_a_trained_vocabulary_has_the_masks_of_any_sequence_of_2048_tokens():
    """Files of each length, as many as fit: a denoiser's <sep> and <eom> take two positions."""
    for denoiser in DENOISERS:
        law = denoiser(CONTROL).law
        for length in range(2, 2048):
            spans = denoised(length, law.rate, law.mean)[1]
            assert (2048 - 2) // (length + 1 + 2 * spans) * spans <= MASKS


def test_a_vocabulary_with_the_default_masks_has_all_spans_of_small_files(memory):
    control = memory.control.model_copy(update={"masks": MASKS})
    component = memory.component("s/a", [2] * 20_000)
    plan = memory.plan([component], objective="ul2_x3", length=2048, control=control)
    batch = Stream(plan, {"s/a": component}).batch(0, plan.group)
    assert batch.eligible.sum() > 300 * plan.group
    assert batch.thinned.sum() < 0.01 * batch.eligible.sum()


def test_the_first_addresses_of_a_unit_end_inside_a_document_or_before_its_end_token():
    pieces = np.array([[0, 3, 1, 0], [3, 0, 1, 0], [3, 5, 1, 0]])
    sizes = {size: first_addresses(pieces, size)[:, 1:3].tolist() for size in range(1, 12)}
    assert sizes[2] == [[2, 0]]
    assert sizes[3] == [[3, 0]]
    assert sizes[4] == [[3, 1]]
    assert sizes[5] == [[3, 1], [0, 1]]
    assert sizes[10] == [[3, 1], [0, 1], [5, 0]]
    assert sizes[11] == pieces[:, 1:3].tolist()
