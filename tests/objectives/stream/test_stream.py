"""The stream: exact, stateless, the same for everyone; and what is behind a sequence."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.errors import DataError, UsageError
from manifests.mixture.config import load_mixture
from manifests.mixture.mixture import make_mixture
from manifests.special_tokens import SpecialTokens
from objectives.stream.order import SCALE
from objectives.stream.plan import make_plan
from objectives.stream.stream import Stream
from objectives.tasks.batch import PADDING
from objectives.tasks.span_corruption import SpanCorruption
from tests.objectives.stages import with_stage
from tests.objectives.windows import addresses_in


@pytest.fixture(scope="module")
def stream(memory, three):
    return Stream(memory.plan(three), {c.name: c for c in three})


def stream_of(memory, *components, **fields):
    return Stream(memory.plan(components, **fields), {c.name: c for c in components})


def addresses_at(stream, component, position):
    """What the addresses of a sequence hold."""
    ranges = stream.addresses(position)
    return addresses_in([component.window(piece.address, piece.size) for piece in ranges])


def restore(tokens, segment_ids, control):
    """The tokens of a row of CLM or span corruption."""
    return SpanCorruption(control).restore(tokens, segment_ids)


positions = st.one_of(st.integers(0, 5000), st.integers(0, 10**11))


@settings(max_examples=60, deadline=None)
@given(positions, st.integers(0, 20))
def test_a_sequence_alone_equals_the_same_in_a_batch(memory, stream, position, rows):
    batch = stream.batch(position, rows)
    assert batch.tokens.shape == (rows, 128)
    for row in range(rows):
        alone = stream.batch(position + row, 1)
        for name, array in alone.arrays().items():
            assert np.array_equal(array[0], batch.arrays()[name][row]), name


@pytest.mark.parametrize("objective", ["clm", "codegen2"])
def test_tokens_equal_those_of_the_whole_batch(memory, three, objective):
    stream = stream_of(memory, *three, objective=objective)
    for position, rows in ((0, 1), (5, 20), (300, 0), (10**9, 33)):
        expected = stream.batch(position, rows).tokens
        assert np.array_equal(stream.tokens(position, rows), expected)
    with pytest.raises(UsageError, match="there is no position -1"):
        stream.tokens(-1, 1)


def test_a_batch_has_documented_dtypes(stream):
    arrays = stream.batch(0, 4).arrays()
    assert {name: array.dtype.name for name, array in arrays.items()} == {
        "tokens": "int64",
        "loss_weights": "float32",
        "segment_ids": "int32",
        "prefix": "int32",
        "objective": "uint8",
        "component": "uint16",
        "eligible": "int32",
        "thinned": "int32",
    }
    assert not arrays["prefix"].any()


@settings(max_examples=60, deadline=None)
@given(positions)
def test_a_sequence_restores_to_its_addresses(stream, three, position):
    """Whatever the objective, what can be restored is what the place says."""
    place = stream.sampler.locate(position)
    batch = stream.batch(position, 1)
    expected = addresses_at(stream, three[place.component], position)
    result = restore(batch.tokens[0], batch.segment_ids[0], stream.plan.control)
    assert np.array_equal(result, expected)
    assert batch.component[0] == place.component
    assert batch.objective[0] == (place.objective == "span_corruption")


def test_an_epoch_has_every_address_once(memory):
    component = memory.component("s/a", np.random.default_rng(1).integers(0, 200, 300))
    stream = stream_of(memory, component)
    seen = np.zeros(component.addresses, int)
    rows = 3 * component.addresses // 100
    for position in range(rows):
        for piece in stream.addresses(position):
            if piece.epoch == 0:
                seen[(piece.address + np.arange(piece.size)) % component.addresses] += 1
    assert (seen == 1).all()


def test_half_the_sequences_of_every_unit_are_corrupted(stream):
    objectives = stream.batch(0, stream.plan.group).objective.reshape(16, 8)
    assert (objectives.sum(axis=0) == 8).all()


def test_counts_of_whole_groups_are_whole_units(stream):
    group = stream.plan.group
    counts = stream.counts(6 * group)
    units = zip(counts.values(), stream.plan.components, strict=True)
    assert sum(count["addresses"] / planned.unit_size for count, planned in units) == 6 * 8
    long = counts["the-pile/long"]
    assert long["epochs"] == long["addresses"] / 5708


def test_padding_is_two_deviations_and_spread_over_the_rows_of_units(memory):
    lengths = np.minimum(np.random.default_rng(0).lognormal(6, 1.3, 1500).astype(int), 30_000)
    stream = stream_of(memory, memory.component("s/a", lengths), length=2048)
    group = stream.plan.group
    is_padding = np.mean(stream.batch(0, 4 * group).segment_ids == PADDING, axis=1)
    assert 0.001 < is_padding.mean() < 0.02
    # Any sequence of a unit may be its last one.
    rows = is_padding.reshape(4, -1, stream.plan.interleave).max(axis=(0, 2))
    assert np.count_nonzero(rows) > len(rows) // 2


@pytest.mark.parametrize("objective", ["clm", "codegen2", "span_corruption"])
@pytest.mark.parametrize(
    "lengths", [[0], [1], [2], [0, 0, 0], [3] * 1000, [5000], [1, 2, 0], [127], [128], [40_000, 1]]
)
def test_very_small_and_uneven_components_restore(memory, objective, lengths):
    """Smaller than a unit or a sequence, empty documents, one of 300 sequences: all are rings."""
    component = memory.component("s/a", lengths)
    stream = stream_of(memory, component, objective=objective, length=128)
    for position in (0, 1, 77, 10**6):
        batch = stream.batch(position, 1)
        result = restore(batch.tokens[0], batch.segment_ids[0], stream.plan.control)
        ranges = stream.addresses(position)
        windows = [component.window(p.address, p.size) for p in ranges]
        assert np.array_equal(result, addresses_in([component.window(0, 0), *windows]))
        origins = stream.origin(position)["documents"]
        assert sum(o["tokens"] for o in origins) == len(result) - sum(len(w.ends) for w in windows)


@pytest.mark.parametrize("objective", ["clm", "codegen2"])
def test_a_million_documents_of_three_tokens_restore(memory, objective):
    component = memory.component("s/a", np.full(1_000_000, 3))
    stream = stream_of(memory, component, objective=objective, length=2048)
    for position in (0, 10**9):
        batch = stream.batch(position, 16)
        assert (batch.segment_ids.max(axis=1) >= 480).all()
        for row in range(16):
            result = restore(batch.tokens[row], batch.segment_ids[row], stream.plan.control)
            assert np.array_equal(result, addresses_at(stream, component, position + row))


def test_an_epoch_of_batches_holds_every_token_once_across_stages(memory):
    """Weights change on the way; what was drawn of an epoch is not drawn again."""
    one = memory.component("s/a", np.random.default_rng(2).integers(0, 300, 300))
    other = memory.component("s/b", [900] * 30)
    plan = memory.plan([one, other], objective="clm", length=64)
    half = SCALE // 2
    for position, weights in ((300, [SCALE, 0]), (700, [half // 2, SCALE - half // 2])):
        plan = with_stage(plan, position, weights)
    stream = Stream(plan, {"s/a": one, "s/b": other})
    seen = np.zeros(one.addresses, int)
    for position in range(0, 3 * plan.group * 8, 50):
        batch = stream.batch(position, 50)
        for row in range(50):
            ranges = stream.addresses(position + row)
            if batch.component[row] == 0 and ranges[-1].epoch == 0:
                (piece,) = ranges
                at = (piece.address + np.arange(piece.size)) % one.addresses
                expected = addresses_in([one.window(piece.address, piece.size)])
                assert np.array_equal(batch.tokens[row], expected)
                seen[at] += 1
    # All but the sequences that hold a seam.
    assert seen.max() == 1
    assert np.count_nonzero(seen == 0) <= 2 * 64


@settings(max_examples=60, deadline=None)
@given(positions)
def test_origins_name_the_tokens(stream, three, position):
    """The tokens of a sequence are those that its origins name, in their order."""
    origin = stream.origin(position)
    json.dumps(origin)
    batch = stream.batch(position, 1)
    component = next(c for c in three if c.name == origin["component"])
    firsts = component.ends - component.lengths
    named = [
        (firsts[o["document"]] + o["start"] + np.arange(o["tokens"])) % 50_000
        for o in origin["documents"]
    ]
    result = restore(batch.tokens[0], batch.segment_ids[0], stream.plan.control)
    assert np.array_equal(np.concatenate(named), result[result != 50256])
    for o in origin["documents"]:
        assert o["row"]["path"] == f"src/{o['document']}.py"
        assert 0 <= o["start"] <= o["start"] + o["tokens"] <= o["row"]["tokens"]


def test_a_state_is_small_and_refused_by_other_plans(memory, stream, three):
    state = json.loads(json.dumps(stream.state_dict(10**11)))
    assert len(json.dumps(state)) < 300
    assert stream.load_state_dict(state) == 10**11
    other = stream_of(memory, *three, seed=2)
    with pytest.raises(UsageError, match=r"state: is of plan [0-9a-f]{12}, not of [0-9a-f]{12}"):
        other.load_state_dict(state)


def test_a_state_fits_later_stages_but_not_changed_ones(memory, stream, three):
    components = {c.name: c for c in three}
    later = Stream(with_stage(stream.plan, 1280, [0, 0, SCALE]), components)
    assert later.load_state_dict(stream.state_dict(1280)) == 1280
    with pytest.raises(UsageError, match="stages before position 1281 are not those"):
        later.load_state_dict(stream.state_dict(1281))
    assert stream.plan.group == 128
    assert memory.equal(later.batch(1152, 128), stream.batch(1152, 128))
    assert (later.batch(1280, 128).component == 2).all()


@pytest.mark.parametrize(
    "state", [{}, {"format": 2}, {"format": 1, "position": -1}, {"format": 1, "position": "7"}]
)
def test_other_values_are_no_state(stream, state):
    with pytest.raises(UsageError, match="is not a stream's state"):
        stream.load_state_dict(state)


def test_a_stream_refuses_other_components(memory, three):
    plan = memory.plan(three)
    components = {c.name: c for c in three}
    with pytest.raises(UsageError, match="component the-stack/c is not there"):
        Stream(plan, {"the-stack/tiny": three[1]})
    other = memory.component("the-stack/c", [5, 6])
    with pytest.raises(DataError, match="the-stack/c: addresses is 13, but the plan was made when"):
        Stream(plan, components | {"the-stack/c": other})


def test_a_vocabulary_without_masks_can_only_copy(memory, three):
    components = {c.name: c for c in three}
    control = SpecialTokens(end=50256, vocabulary=50257)
    Stream(memory.plan(three, objective="clm", control=control), components)
    with pytest.raises(UsageError, match="span_corruption: <sep>, <eom> and masks are not in"):
        Stream(memory.plan(three, control=control), components)


def test_settings_change_batches_and_unknown_ones_are_errors(memory, three):
    components = {c.name: c for c in three}
    plan = memory.plan(three, settings={"span_corruption": {"ratio_low": 0.9, "ratio_high": 0.9}})
    changed = Stream(plan, components).batch(0, 64)
    plain = Stream(memory.plan(three), components).batch(0, 64)
    assert not memory.equal(changed, plain)
    wrong = memory.plan(three, settings={"span_corruption": {"ratio_hi": 0.9}})
    with pytest.raises(UsageError, match="ratio_hi: unknown key; did you mean 'ratio_high'"):
        Stream(wrong, components)
    nobody = memory.plan(three, settings={"nobody": {}})
    with pytest.raises(UsageError, match="'nobody' is not an objective of this mix"):
        Stream(nobody, components)


@pytest.mark.parametrize(("position", "rows"), [(-1, 1), (0, -1)])
def test_negative_positions_and_rows_are_errors(stream, position, rows):
    with pytest.raises(UsageError, match="there is no position"):
        stream.batch(position, rows)


def test_a_stream_reads_the_shards_of_a_dataset(small_dataset, tmp_path, memory):
    """From a dataset's directory to batches, in this process and in a copy sent to another."""
    out = str(tmp_path / "MIX.toml")
    make_mixture([small_dataset], {"the-stack": 1.0, "the-pile": 1.0}, epochs=3, out=out)
    plan = make_plan(load_mixture(out), "codegen2", batch=4, sequence_length=64)
    stream = Stream.open(plan)
    batch = stream.batch(0, 32)
    assert memory.equal(pickle.loads(pickle.dumps(stream)).batch(0, 32), batch)
    for row in range(32):
        component = stream._components[batch.component[row]]
        windows = [component.window(p.address, p.size) for p in stream.addresses(row)]
        expected = addresses_in(windows, plan.control.end)
        result = restore(batch.tokens[row], batch.segment_ids[row], plan.control)
        assert np.array_equal(result, expected)
    origin = stream.origin(5)
    json.dumps(origin)
    assert origin["documents"][0]["row"]["repositories"]
    heldout = make_plan(load_mixture(out), "clm", batch=4, sequence_length=64, heldout=True)
    assert [c.name for c in heldout.components] == ["the-stack/python"]
    assert Stream.open(heldout).batch(0, 4).tokens.shape == (4, 64)
