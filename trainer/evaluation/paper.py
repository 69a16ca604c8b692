"""Tables 1 to 3 of CodeGen2 (arXiv 2305.02309), and a model's numbers beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from manifests.console.output import numbers_table, unwrapped
from trainer.evaluation.intervals import Estimate

Metrics = Mapping[str, Mapping[str, Estimate]]
"""Task -> name of a metric -> estimate."""


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper.

    Attributes:
        title: what it shows.
        columns: heading -> task and metric; None where a model must be fine-tuned first.
        rows: model -> its numbers, in the order of the columns; None where the paper has none.
    """

    title: str
    columns: Mapping[str, tuple[str, str] | None]
    rows: Mapping[str, tuple[float | None, ...]]


_INFILL = {
    "Infill-Single": ("infill-single", "pass@1"),
    "Infill-Multi": ("infill-multi", "pass@1"),
}

TABLES = (
    PaperTable(
        "Table 1: pass@1 in percent",
        {"HumanEval": ("humaneval", "pass@1"), **_INFILL},
        {
            "InCoder 1.3B": (9.79, 52.56, 23.85),
            "InCoder 6.7B": (15.20, 66.69, 34.62),
            "CodeGen2 1B": (10.27, 53.41, 23.41),
            "CodeGen2 3.7B": (14.88, 65.72, 33.45),
            "CodeGen2 7B": (19.09, 68.74, 38.88),
            "CodeGen2 16B": (20.46, None, None),
        },
    ),
    PaperTable(
        "Table 2: pass@1, ROUGE-L and accuracy in percent",
        {
            "HumanEval": ("humaneval", "pass@1"),
            **_INFILL,
            "XSum": ("xsum", "rouge_l"),
            "BoolQ": None,
            "Defect": None,
        },
        {
            "Decoder": (7.99, 43.37, 17.40, 10.28, 77.4, 63.5),
            "Prefix-LM": (6.71, 39.11, 17.25, 9.78, 80.6, 64.0),
        },
    ),
    PaperTable(
        "Table 3: pass@k in percent, HumanEval",
        {f"pass@{k}": ("humaneval", f"pass@{k}") for k in (1, 10, 100)},
        {
            "CodeGen2 7B": (18.83, 31.78, 50.41),
            "CodeGen2 16B": (20.46, 36.50, 56.71),
            "CodeGen2.5 7B": (28.36, 47.46, 75.15),
        },
    ),
)


def results_text(results: Mapping[str, Any]) -> Group:
    """Return the content of results.json as tables, and what the sandbox enforced."""
    shown = [tables(results["model"]["path"], results["tasks"])]
    return Group(*shown, *([execution_text(e)] if (e := results.get("execution")) else []))


def tables(model: str, metrics: Metrics) -> Group:
    """Return all metrics of a model as a table, and the tables of the paper that they belong to."""
    own = numbers_table(
        f"{model}, with 95 % intervals", "task", "metric", "value", "low", "high", "n"
    )
    for task, values in metrics.items():
        for name, estimate in values.items():
            numbers = (estimate["value"], estimate["low"], estimate["high"])
            cells = ["-" if number is None else f"{number:.4g}" for number in numbers]
            own.add_row(task, name, *cells, str(estimate["count"]))
    shown = [_beside(table, model, metrics) for table in TABLES if _row(table, metrics)]
    return Group(own, *shown)


def execution_text(execution: Mapping[str, Sequence[str]]) -> Text:
    """Return what the sandbox enforced and what it did not, a line for each sentence.

    Args:
        execution: of results.json: `enforced` and `not_enforced`.
    """
    lines = [f"enforced: {line}" for line in execution["enforced"]]
    lines += [f"not enforced: {line}" for line in execution["not_enforced"]]
    return unwrapped("\n".join(lines))


def _beside(table: PaperTable, model: str, metrics: Metrics) -> Table:
    """Return a table of the paper with a row for the model."""
    made = numbers_table(table.title, "model", *table.columns)
    for name, numbers in table.rows.items():
        made.add_row(name, *("-" if number is None else f"{number:.2f}" for number in numbers))
    made.add_row(model, *_row(table, metrics))
    return made


def _row(table: PaperTable, metrics: Metrics) -> list[str]:
    """Return the model's cells of a table; none if it has no number of the table."""
    estimates = [
        None if place is None else metrics.get(place[0], {}).get(place[1])
        for place in table.columns.values()
    ]
    return [_percent(estimate) for estimate in estimates] if any(estimates) else []


def _percent(estimate: Estimate | None) -> str:
    if estimate is None or (value := estimate["value"]) is None:
        return "-"
    low, high = estimate["low"], estimate["high"]
    interval = "" if low is None or high is None else f" ({100 * low:.2f} to {100 * high:.2f})"
    return f"{100 * value:.2f}{interval}"
