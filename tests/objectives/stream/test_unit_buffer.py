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
from objectives.stream.stage import Stage
from objectives.stream.unit_buffer import ROOM, UnitBuffer
from objectives.tasks.registry import prepare_objectives

LENGTH = 32
MIX = {"ul2_r3": 1, "ul2_s": 1}


def buffer_of(plan, components, forgotten, max_lanes=64):
    """A buffer, and the rows of objectives."""
    laws = prepare_objectives(plan.objectives(), None)
    return UnitBuffer(plan, components, forgotten, laws, max_lanes)


@st.composite
def cases(draw, memory):
    """A plan of up to three stages over components of any documents; what each forgets."""
    files = st.lists(st.integers(0, 40), min_size=1, max_size=12)
    lengths = draw(st.lists(files, min_size=1, max_size=4))
    components = [memory.component(f"s/{i}", item) for i, item in enumerate(lengths)]
    sequences, interleave = draw(st.sampled_from([2, 4])), draw(st.sampled_from([1, 2, 4]))
    stages, forgotten, start = [], {}, 0
    for number in range(draw(st.integers(1, 3))):
        shares = st.lists(st.integers(0, 9), min_size=len(lengths), max_size=len(lengths))
        parts = draw(shares.filter(any))
        weights = [part * SCALE // sum(parts) for part in parts]
        weights[weights.index(max(weights))] += SCALE - sum(weights)
        stages.append(Stage(position=start, weights=weights))
        start += draw(st.integers(1, 5)) * interleave * sequences
        for index, item in enumerate(lengths):
            documents = draw(st.sets(st.integers(0, len(item) - 1)))
            forgotten[number, index] = ranges_of(components[index], documents)
    plan = memory.plan(
        components,
        length=LENGTH,
        sequences=sequences,
        unit_size=draw(st.integers(1, (LENGTH - 4) * sequences)),
        interleave=interleave,
        objective=draw(st.sampled_from(["clm", "codegen2", "causal_masking", MIX])),
        stages=stages,
        seed=draw(st.integers(0, 3)),
    )
    return plan, components, forgotten


def ranges_of(component, documents):
    """The addresses of some documents."""
    numbers = sorted(documents)
    starts = component.ends[numbers] - component.lengths[numbers]
    return joined(np.stack([starts, component.ends[numbers] + 1], axis=1).astype(np.int64))


def documents_of(component, ranges):
    """[(tokens, ends, address)] of the documents in some ranges of addresses."""
    documents = []
    for piece in ranges:
        window = component.window(piece.address, piece.size)
        token, address = 0, piece.address
        for number, length in enumerate(window.lengths.tolist()):
            ends = number < len(window.ends)
            tokens = window.tokens[token : token + length].tolist()
            documents.append((tokens, ends, address % component.addresses))
            token, address = token + length, address + length + ends
    return documents


def is_forgotten(address, ranges):
    return ((ranges[:, 0] <= address) & (address < ranges[:, 1])).any()


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_sequences_are_cut_as_located(memory, data):
    plan, components, forgotten = data.draw(cases(memory))
    sampler = Sampler(plan)
    units = buffer_of(
        plan, components, lambda *key: forgotten.get(key, NONE), data.draw(st.sampled_from([1, 64]))
    )
    whole = buffer_of(plan, components, lambda *_: NONE)
    far = st.one_of(st.integers(0, 200), st.integers(0, 10**11))
    for position, rows in data.draw(st.lists(st.tuples(far, st.integers(1, 30)), max_size=4)):
        done = 0
        while done < rows:
            sequences = units.sequences(position + done, rows - done)
            segments = sequences.segments
            for i in range(len(sequences.slot_index)):
                at = position + done + i
                place = sampler.locate(at)
                stage = sampler.stage_index(at)
                left_out = forgotten.get((stage, place.component), NONE)
                result = whole.addresses(at)
                expected = [
                    (tokens, ends)
                    for tokens, ends, address in documents_of(components[place.component], result)
                    if not is_forgotten(address, left_out)
                ]
                selected = range(segments.first[i], segments.first[i + 1])
                spans = [
                    (segments.starts[s], segments.starts[s] + segments.lengths[s]) for s in selected
                ]
                taken = [segments.tokens[a:b].tolist() for a, b in spans]
                assert list(zip(taken, segments.ends_document[selected], strict=True)) == expected
                assert segments.sequence_keys[i] == place.key
                assert sequences.component[i] == place.component
                assert plan.slots[sequences.slot_index[i]] == place.objective
                room = LENGTH - segments.forgotten[i]
                used = sum(map(len, taken)) + sum(segments.ends_document[selected])
                assert used + segments.control_tokens[selected].sum() <= room
            done += len(sequences.slot_index)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_the_sequences_of_a_unit_hold_its_addresses_once(memory, data):
    """Whatever the law draws, also where the slack is used up."""
    plan, components, _ = data.draw(cases(memory))
    units, sampler = buffer_of(plan, components, lambda *_: NONE), Sampler(plan)
    group = data.draw(st.integers(0, 10**6)) * plan.group
    positions = range(group, group + plan.group, plan.interleave)
    result = [piece for at in positions for piece in units.addresses(at)]
    addresses = [
        (piece.epoch, (piece.address + i) % components[sampler.locate(group).component].addresses)
        for piece in result
        for i in range(piece.size)
    ]
    component = components[sampler.locate(group).component]
    expected = [
        (piece.epoch, (piece.address + i) % component.addresses)
        for piece in sampler.locate(group).ranges
        for i in range(piece.size)
    ]
    assert sorted(addresses) == sorted(expected)


def test_a_forgotten_segment_changes_no_other_one(memory):
    """It keeps its addresses and its control tokens."""
    component = memory.component("s/a", [200, 30, 500, 90] * 50)
    plan = memory.plan([component], objective="span_corruption", length=256)
    numbers = {3, 10, 50, 51, 120}
    taken = ranges_of(component, numbers)
    whole = buffer_of(plan, [component], lambda *_: NONE)
    less = buffer_of(plan, [component], lambda *_: taken)
    for position in range(plan.group):
        one = rows_of(whole.sequences(position, 1).segments, component)
        sequences = less.sequences(position, 1)
        other = rows_of(sequences.segments, component)
        kept = [row for row in one if row[0] not in numbers]
        assert other == kept
        lost = sum(sum(row[1:4]) for row in one if row[0] in numbers)
        assert sequences.segments.forgotten.tolist() == [lost]


def rows_of(segments, component):
    """(document, tokens, end, control tokens, key) of each segment; tokens name addresses."""
    rows = zip(
        segments.starts.tolist(),
        segments.lengths.tolist(),
        segments.ends_document.tolist(),
        segments.control_tokens.tolist(),
        segments.keys.tolist(),
        strict=True,
    )
    return [
        (component.document_at(int(segments.tokens[start]))[0] if size else -1, size, *rest)
        for start, size, *rest in rows
    ]


def test_the_table_grows_for_units_of_many_segments(memory):
    component = memory.component("s/a", [1] * 5000)
    plan = memory.plan([component], objective="clm", length=128)
    units = buffer_of(plan, [component], lambda *_: NONE)
    segments = units.sequences(0, 128).segments
    assert plan.components[0].unit_size // 2 > ROOM
    sizes = np.add.reduceat(segments.lengths + segments.ends_document, segments.first[:-1])
    assert (sizes == 128).all()


def test_a_failed_read_is_repeated_at_the_next_call(memory):
    component = memory.component("s/a", [50] * 500)
    plan = memory.plan([component], objective="clm", length=64)
    units = buffer_of(plan, [component], lambda *_: NONE)
    expected = buffer_of(plan, [component], lambda *_: NONE).sequences(0, 8).segments
    whole, calls = component.window, []

    def failing(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise DataError("the shard is missing")
        return whole(*arguments)

    with mock.patch.object(component, "window", failing):
        with pytest.raises(DataError, match="the shard is missing"):
            units.sequences(0, 8)
        result = units.sequences(0, 8).segments
    lengths = result.lengths.tolist()
    assert lengths == expected.lengths.tolist()
    for a, b, size in zip(result.starts, expected.starts, lengths, strict=True):
        assert np.array_equal(result.tokens[a : a + size], expected.tokens[b : b + size])


def test_an_interrupted_read_ahead_is_repeated_at_the_next_call(memory):
    component = memory.component("s/a", [50] * 500)
    plan = memory.plan([component], objective="clm", length=64)
    expected = buffer_of(plan, [component], lambda *_: NONE).sequences(0, 8).segments
    component.is_local = False
    component.ahead = mock.Mock(side_effect=[KeyboardInterrupt, *[None] * 1000])
    units = buffer_of(plan, [component], lambda *_: NONE)
    with pytest.raises(KeyboardInterrupt):
        units.sequences(0, 8)
    result = units.sequences(0, 8).segments
    assert result.lengths.tolist() == expected.lengths.tolist()
    for a, b, size in zip(result.starts, expected.starts, expected.lengths, strict=True):
        assert np.array_equal(result.tokens[a : a + size], expected.tokens[b : b + size])
