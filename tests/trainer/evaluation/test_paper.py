"""The tables of the paper beside a model's numbers."""

import io

import pytest
from rich.console import Console

from trainer.evaluation.intervals import Estimate, proportion
from trainer.evaluation.paper import TABLES, execution_text, tables


def shown(metrics) -> str:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(tables("ours", metrics))
    return console.export_text()


def test_a_models_numbers_are_beside_the_papers() -> None:
    half = proportion([0.0, 1.0] * 50)
    text = shown({"humaneval": {"pass@1": half}, "lambada": {"accuracy": half}})
    assert "50.00 (40.38 to 59.62)" in text
    assert "Table 1" in text and "10.27" in text
    assert "Table 2" in text and "Table 3" in text and "75.15" in text
    assert "lambada" in text


def test_an_estimate_without_an_interval_is_shown() -> None:
    none: Estimate = {"value": None, "low": None, "high": None, "count": 1}
    text = shown({"humaneval": {"pass@1": none | {"value": 0.5}, "pass@10": none}})
    assert "50.00" in text and "None" not in text


def test_what_the_sandbox_enforced_is_shown() -> None:
    shown = execution_text({"enforced": ["a user"], "not_enforced": ["a filter"]})
    assert shown.plain == "enforced: a user\nnot enforced: a filter"


def test_a_table_without_a_number_of_the_model_is_left_out() -> None:
    text = shown({"infill-single": {"pass@1": proportion([0.0])}})
    assert "Table 1" in text and "Table 3" not in text


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.title)
def test_each_row_has_a_number_for_each_column(table) -> None:
    assert {len(row) for row in table.rows.values()} == {len(table.columns)}
