"""Quiet: warnings are hidden within a block, and only there."""

import logging

import pytest

from pipelines.runtime.quiet import quiet


def test_warnings_are_hidden_until_the_block_ends(caplog) -> None:
    log = logging.getLogger("apache_beam.some")
    with pytest.raises(ValueError, match="end"), quiet():
        log.warning("hidden")
        log.error("shown")
        raise ValueError("end")
    log.warning("later")
    assert [record.message for record in caplog.records] == ["shown", "later"]


def test_one_logger_can_be_silenced_alone(caplog) -> None:
    with quiet("apache_beam", logging.CRITICAL):
        logging.getLogger("apache_beam.some").error("hidden")
        logging.getLogger("other").error("shown")
    logging.getLogger("apache_beam.some").error("later")
    assert [record.message for record in caplog.records] == ["shown", "later"]
