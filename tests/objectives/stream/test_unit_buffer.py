"""Units: what batches are cut from is what each position alone says, less what is forgotten."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.dataset.tombstones import NONE, joined
from manifests.errors import DataError
from objectives.stream.order import SCALE
from objectives.stream.sampler import Sampler
from objectives.stream.unit_buffer import SEGMENTS, UnitBuffer
from objectives.tasks.slot import Slot, Stage

LENGTH = 16


@st.composite
def cases(draw, memory):
    """A plan of up to three stages over components of any documents; what each forgets."""
    files = st.lists(st.integers(0, 40), min_size=1, max_size=12)
    lengths = draw(st.lists(files, min_size=1, max_size=4))
    components = [memory.component(f"s/{i}", each) for i, each in enumerate(lengths)]
    sequences, interleave = draw(st.sampled_from([1, 2, 4])), draw(st.sampled_from([1, 2, 4]))
    allowances = draw(st.lists(st.integers(0, 12), min_size=sequences, max_size=sequences))
    stages, forgotten, start = [], {}, 0
    for number in range(draw(st.integers(1, 3))):
        shares = st.lists(st.integers(0, 9), min_size=len(lengths), max_size=len(lengths))
        parts = draw(shares.filter(any))
        weights = [part * SCALE // sum(parts) for part in parts]
        weights[weights.index(max(weights))] += SCALE - sum(weights)
        slots = [
            Slot(objective="clm", reserved_tokens=h) for h in draw(st.permutations(allowances))
        ]
        stages.append(Stage(position=start, weights=weights, slots=slots))
        start += draw(st.integers(1, 5)) * interleave * sequences
        for index, each in enumerate(lengths):
            documents = draw(st.sets(st.integers(0, len(each) - 1)))
            forgotten[number, index] = ranges_of(components[index], documents)
    plan = memory.plan(
        components,
        length=LENGTH,
        sequences_per_unit=sequences,
        interleave=interleave,
        objective="clm",
        stages=stages,
        seed=draw(st.integers(0, 3)),
    )
    return plan, components, forgotten


def ranges_of(component, documents):
    """The addresses of some documents."""
    numbers = sorted(documents)
    starts = component.ends[numbers] - component.lengths[numbers]
    return joined(np.stack([starts, component.ends[numbers] + 1], axis=1).astype(np.int64))


def expected(sampler, components, forgotten, position):
    """[(tokens, closed)] of a sequence, from its place."""
    place = sampler.locate(position)
    component, found = components[place.component], []
    left_out = forgotten.get((sampler.stage_index(position), place.component), NONE)
    for piece in place.ranges:
        window = component.window(piece.address, piece.size)
        token, address = 0, piece.address
        for number, length in enumerate(window.lengths.tolist()):
            closed = number < len(window.ends)
            ring = address % component.addresses
            if not ((left_out[:, 0] <= ring) & (ring < left_out[:, 1])).any():
                found.append((window.tokens[token : token + length].tolist(), closed))
            token += length
            address += length + closed
    return place, found


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_sequences_are_cut_as_located(memory, data):
    plan, components, forgotten = data.draw(cases(memory))
    sampler = Sampler(plan)
    max_lanes = data.draw(st.sampled_from([1, 2, 64]))
    units = UnitBuffer(plan, components, lambda *key: forgotten.get(key, NONE), max_lanes)
    far = st.one_of(st.integers(0, 200), st.integers(0, 10**11))
    for position, rows in data.draw(st.lists(st.tuples(far, st.integers(1, 30)), max_size=4)):
        done = 0
        while done < rows:
            sequences = units.sequences(position + done, rows - done)
            segments = sequences.segments
            for i in range(len(sequences.slot_index)):
                at = position + done + i
                place, parts = expected(sampler, components, forgotten, at)
                mine = range(segments.first[i], segments.first[i + 1])
                ends = [
                    (segments.starts[s], segments.starts[s] + segments.lengths[s]) for s in mine
                ]
                found = [segments.tokens[a:b].tolist() for a, b in ends]
                assert list(zip(found, segments.ends_document[mine].tolist(), strict=True)) == parts
                assert segments.keys[i] == place.key
                assert segments.reserved_tokens[i] == place.slot.reserved_tokens
                assert sequences.component[i] == place.component
                assert plan.stages[sequences.stage].slots[sequences.slot_index[i]] == place.slot
            done += len(sequences.slot_index)


def test_the_table_grows_for_units_of_many_segments(memory):
    component = memory.component("s/a", [1] * 5000)
    plan = memory.plan([component], objective="clm", length=128)
    units = UnitBuffer(plan, [component], lambda *_: NONE)
    segments = units.sequences(0, 128).segments
    assert plan.unit_size // 2 > SEGMENTS
    sizes = np.add.reduceat(segments.lengths + segments.ends_document, segments.first[:-1])
    assert (sizes == 128).all()


def test_a_failed_read_is_repeated_at_the_next_call(memory):
    component = memory.component("s/a", [50] * 500)
    plan = memory.plan([component], objective="clm", length=64)
    units = UnitBuffer(plan, [component], lambda *_: NONE)
    expected = UnitBuffer(plan, [component], lambda *_: NONE).sequences(0, 8).segments
    whole, calls = component.window, []

    def failing(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise DataError("the shard is missing")
        return whole(*arguments)

    with mock.patch.object(component, "window", failing):
        with pytest.raises(DataError, match="the shard is missing"):
            units.sequences(0, 8)
        found = units.sequences(0, 8).segments
    lengths = found.lengths.tolist()
    assert lengths == expected.lengths.tolist()
    for a, b, size in zip(found.starts, expected.starts, lengths, strict=True):
        assert np.array_equal(found.tokens[a : a + size], expected.tokens[b : b + size])
