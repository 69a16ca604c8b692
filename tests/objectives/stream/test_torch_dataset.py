"""Any number of processes and workers gives the same global batches."""

import errno
import json
import os
import signal
from itertools import islice
from typing import Any

import numpy as np
import pytest

from manifests.errors import DataError, UsageError
from objectives.stream.stream import Stream
from objectives.tasks.batch import Batch

torch = pytest.importorskip("torch")

from torch.utils.data import DataLoader  # noqa: E402
from torchdata.stateful_dataloader import StatefulDataLoader  # noqa: E402

from objectives.stream.torch_dataset import Steps, StreamDataset, batches  # noqa: E402


@pytest.fixture(scope="module")
def stream(memory, three):
    return Stream(memory.plan(three), {c.name: c for c in three})


def joined(parts):
    return {
        name: np.concatenate([part.arrays()[name] for part in parts]) for name in parts[0].arrays()
    }


@pytest.mark.parametrize("world", [1, 2, 4])
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_world_size_and_workers_change_nothing(stream, world, workers):
    ranks = [
        list(islice(batches(stream, 100, 8, rank=rank, world=world, workers=workers), 4))
        for rank in range(world)
    ]
    for step in range(4):
        expected = stream.batch(100 + 8 * step, 8).arrays()
        result = joined([rank[step] for rank in ranks])
        assert all(np.array_equal(result[name], expected[name]) for name in expected)
        assert all(result[name].dtype == expected[name].dtype for name in expected)


def test_the_example_of_the_docstring_gives_batches(stream):
    seen = []
    for batch in DataLoader(StreamDataset(stream, rows=4, steps=3), batch_size=None, num_workers=2):
        seen.append(batch["tokens"])
    assert len(seen) == 3
    assert torch.equal(torch.cat(seen), torch.from_numpy(stream.batch(0, 12).tokens))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stateful_loader_continues_where_it_stopped(stream, workers):
    def loader(position=0):
        data = StreamDataset(stream, rows=4, steps=7, position=position)
        return StatefulDataLoader(data, batch_size=None, num_workers=workers)

    whole = [batch["tokens"] for batch in loader()]
    begun = loader()
    first = [batch["tokens"] for batch in islice(begun, 3)]
    state = begun.state_dict()
    resumed = loader()
    resumed.load_state_dict(state)
    rest = [batch["tokens"] for batch in resumed]
    assert len(whole) == 7
    assert all(map(torch.equal, whole, [*first, *rest]))
    steps = iter(StreamDataset(stream, rows=4, position=8))
    with pytest.raises(UsageError, match="state: did not begin at position 8"):
        steps.load_state_dict(iter(StreamDataset(stream, rows=4)).state_dict())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rows": 8}, "is of batches of 4 rows that skip 6 to 9; here they are of 8 rows that sk"),
        ({"skipped": ()}, "here they are of 4 rows: continue with position=17$"),
        ({"skipped": [(6, 10)]}, "of 4 rows that skip 6 to 10: continue with position=17$"),
    ],
)
def test_a_state_of_other_batches_is_refused_with_its_position(stream, fields, message):
    made_of: dict[str, Any] = {"rows": 4, "skipped": [(6, 9)]}
    begun = iter(StreamDataset(stream, **made_of))
    for _ in range(3):  # 0 to 3, 9 to 12, 13 to 16
        next(begun)
    state = json.loads(json.dumps(begun.state_dict()))
    with pytest.raises(UsageError, match=message):
        iter(StreamDataset(stream, **made_of | fields)).load_state_dict(state)
    resumed = iter(StreamDataset(stream, **made_of))
    resumed.load_state_dict(state)
    after = next(iter(StreamDataset(stream, rows=4, position=17)))
    assert torch.equal(next(resumed)["tokens"], after["tokens"])


def test_the_error_of_a_worker_mentions_the_other_workers(stream):
    state = Steps(StreamDataset(stream, rows=4), 3, 2).state_dict()
    with pytest.raises(UsageError, match=r"position=12 \(the least of all 2 workers' positions\)"):
        Steps(StreamDataset(stream, rows=8), 1, 2).load_state_dict(state)


def test_a_dataset_continues_from_a_position(stream):
    whole = [batch.tokens for batch in islice(batches(stream, 0, 8), 6)]
    state = stream.state_dict(3 * 8)
    start = stream.load_state_dict(state)
    rest = [batch.tokens for batch in islice(batches(stream, start, 8, workers=2), 3)]
    assert all(np.array_equal(a, b) for a, b in zip(whole[3:], rest, strict=True))
    # At another batch size the sequences are the same, too.
    other = next(iter(batches(stream, start, 24)))
    assert np.array_equal(np.concatenate(rest), other.tokens)


@pytest.mark.parametrize("workers", [0, 2])
def test_skipped_windows_are_left_out(stream, workers):
    result = [
        joined(parts)["tokens"]
        for parts in zip(
            *(
                islice(
                    batches(stream, 0, 8, rank=r, world=2, workers=workers, skipped=[(20, 30)]), 4
                )
                for r in range(2)
            ),
            strict=True,
        )
    ]
    for tokens, position in zip(result, (0, 8, 30, 38), strict=True):
        assert np.array_equal(tokens, stream.batch(position, 8).tokens)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rows": 6, "world": 4}, "batch: 6 sequences cannot be divided among 4 processes"),
        ({"rows": 0}, "batch: 0 sequences"),
        ({"rows": 4, "rank": 2, "world": 2}, "rank: 2 is not below the world size 2"),
    ],
)
def test_rows_that_cannot_be_divided_are_errors(stream, fields, message):
    with pytest.raises(UsageError, match=message):
        StreamDataset(stream, **fields)


class BrokenStream(Stream):
    """A stream whose worker receives the signals that stop a run, and then fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def batch(self, position: int, rows: int) -> Batch:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGUSR1)
        raise self.error


@pytest.mark.parametrize(
    "error", [DataError("a.tar: is damaged"), OSError(errno.EIO, "read error", "a.tar")]
)
def test_the_error_of_a_worker_is_raised_as_it_is(error):
    with pytest.raises(type(error)) as caught:
        next(batches(BrokenStream(error), 0, 8, workers=1))
    assert str(caught.value) == str(error)
    assert getattr(caught.value, "filename", None) == getattr(error, "filename", None)
