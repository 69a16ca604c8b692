"""What is forgotten reaches no sequence: of no objective, in no batch, in no epoch."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manifests.mixture.config import Mixture, MixtureGroup
from objectives.preview import preview_sequences
from objectives.stream.plan import make_plan
from objectives.stream.plan_stages import with_tombstones
from objectives.stream.stream import Stream
from objectives.tasks.registry import OBJECTIVES
from pipelines.maintain.forget import ForgetRequest, forget
from tests.datasets import Document, write_documents

LENGTH = 64
GONE = "o/gone"
SETTINGS = {"fim": {"sentinels": [303, 304, 305]}}  # the tokenizer has none of its own
LENGTHS = [0, 1, 3, 30, 63, 64, 65, 130, 300]


def documents(lengths, gone, component="own/a"):
    """Documents of which each token is the document's own number."""
    return [
        Document(n, length, component, repositories=["o/kept", GONE] if n in gone else ["o/kept"])
        for n, length in enumerate(lengths)
    ]


def plan_of(directory, objective, seed=0):
    group = MixtureGroup(name="own", components=["own/*"], weight=1.0)
    mixture = Mixture(datasets=[directory], group=[group], seed=seed, epochs=3)
    needed = {name: SETTINGS[name] for name in SETTINGS if name == objective}
    return make_plan(mixture, objective, batch=8, sequence_length=LENGTH, settings=needed)


def forgetting(tmp_path, directory):
    (tmp_path / "list").write_text(GONE)
    return forget(directory, ForgetRequest.of([str(tmp_path / "list")]))


def times(stream, positions, batch):
    """How often each document number is in the sequences: documents are below 100."""
    counts = np.zeros(1 << 16, np.int64)
    for start in range(0, positions, batch):
        rows = stream.batch(start, min(batch, positions - start))
        counts += np.bincount(rows.tokens.ravel(), minlength=len(counts))
    return counts[:100]


@pytest.mark.parametrize("objective", [*OBJECTIVES, "codegen2"])
@pytest.mark.parametrize("batch", [1, 7, 64])
def test_no_forgotten_token_is_in_a_sequence(tmp_path, small_tokenizer, objective, batch):
    lengths = [LENGTHS[n % len(LENGTHS)] for n in range(60)]
    gone = {n for n in range(60) if n % 7 in (2, 3)} | {0, 59}
    directory = write_documents(tmp_path / "a", documents(lengths, gone), small_tokenizer)
    before = plan_of(directory, objective)
    summary = forgetting(tmp_path, directory)
    assert summary["documents"] == len(gone)
    plan = plan_of(directory, objective)
    assert plan.positions == before.positions  # addresses never move
    seen = times(Stream.open(plan), plan.positions, batch)
    plain = times(Stream.open(before), plan.positions, batch)
    held = np.array([length > 0 for length in lengths])
    forgotten = np.isin(np.arange(60), list(gone))
    assert (plain[:60] > 0)[held].all()
    assert not seen[:60][forgotten].any()
    assert (seen[:60] > 0)[held & ~forgotten].all()


@settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    lengths=st.lists(st.sampled_from(LENGTHS), min_size=8, max_size=40),
    data=st.data(),
    seed=st.integers(0, 99),
)
def test_documents_that_are_not_forgotten_are_seen_as_often_as_before(
    tmp_path_factory, small_tokenizer, lengths, data, seed
):
    place = tmp_path_factory.mktemp("a")
    gone = set(data.draw(st.lists(st.integers(0, len(lengths) - 1), max_size=9)))
    directory = write_documents(place / "a", documents(lengths, gone), small_tokenizer)
    if sum(lengths) == 0:
        return
    before = plan_of(directory, "clm", seed)
    forgetting(place, directory)
    plan = plan_of(directory, "clm", seed)
    one, other = (times(Stream.open(p), plan.positions, 16) for p in (before, plan))
    kept = np.array([n not in gone for n in range(len(lengths))])
    np.testing.assert_array_equal(one[: len(lengths)] * kept, other[: len(lengths)])


def test_a_preview_counts_forgotten_positions_apart_from_padding(tmp_path, small_tokenizer):
    lengths = [LENGTHS[n % len(LENGTHS)] for n in range(60)]
    gone = {n for n in range(60) if n % 5 == 3}
    directory = write_documents(tmp_path / "a", documents(lengths, gone), small_tokenizer)
    forgetting(tmp_path, directory)
    stream = Stream.open(plan_of(directory, "codegen2"))
    left_out = (stream.batch(0, 16).segment_ids < 0).mean(axis=1)
    shown = preview_sequences(stream, 16)
    assert any(sequence["forgotten"] for sequence in shown)
    assert [row["padding"] + row["forgotten"] for row in shown] == pytest.approx(left_out)


def test_tombstones_of_a_stage_apply_from_its_position_on(tmp_path, small_tokenizer):
    lengths = [LENGTHS[n % len(LENGTHS)] for n in range(60)]
    gone = {n for n in range(60) if n % 5 == 3}
    directory = write_documents(tmp_path / "a", documents(lengths, gone), small_tokenizer)
    before = plan_of(directory, "codegen2")
    forgetting(tmp_path, directory)
    now = plan_of(directory, "codegen2").stages[0].tombstones
    plan = with_tombstones(before, before.group + 1, now)
    start = 2 * before.group
    assert [stage.position for stage in plan.stages] == [0, start]
    old, new = Stream.open(before), Stream.open(plan)
    one, other = old.batch(0, start), new.batch(0, start)
    assert all(np.array_equal(a, other.arrays()[name]) for name, a in one.arrays().items())
    after = new.batch(start, 5 * plan.positions)
    numbers = np.unique(after.tokens)
    assert not gone & set(numbers.tolist())
    named = {
        document["row"]["path"]
        for position in range(start, start + 40)
        for document in new.origin(position)["documents"]
    }
    assert named.isdisjoint(f"{n}.txt" for n in gone)
    state = new.state_dict(start)
    assert Stream.open(plan).load_state_dict(state) == start
