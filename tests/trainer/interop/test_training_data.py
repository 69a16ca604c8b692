"""What a run has trained on."""

import pytest

from trainer.interop.record import read_record, write_record
from trainer.interop.training_data import record_of_run
from trainer.run import Run
from trainer.train import train


def test_sequences_that_the_run_skipped_are_not_counted(configure) -> None:
    """The ranges may change: the second start knows nothing of the range of the first one."""
    first = configure("data.skip=[[8, 136]]", "schedule.steps=2", "optimizer.learning_rate=1e-3")
    train(first)
    train(last := configure("schedule.steps=3", "optimizer.learning_rate=1e-3"))
    record = read_record(last.output)
    assert record is not None
    assert record.position == 3 * 8 + 128
    tokens = sum(component.tokens for component in record.components)
    assert tokens == pytest.approx(3 * 8 * 64, rel=0.2)
    assert tokens <= 3 * 8 * 64


def test_licenses_that_were_out_of_reach_are_read_again(trained: str) -> None:
    run, record = Run.open(trained), read_record(trained)
    assert record is not None
    arguments = trained, run.plan, record.step or 0, record.position or 0
    unread = [c.model_copy(update={"licenses": None}) for c in record.components]
    try:
        write_record(trained, record.model_copy(update={"components": unread}))
        assert record_of_run(*arguments) == record
    finally:
        write_record(trained, record)
