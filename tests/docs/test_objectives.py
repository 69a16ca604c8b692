"""docs/objectives.md: its example rows are those that the objectives write.

`python -m tests.docs.test_objectives` prints the examples.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from objectives.tasks.registry import MIXES, OBJECTIVES, make_objective
from tests.objectives.rows import CONTROL, addresses_of, row_of

PAGE = Path(__file__).parents[2] / "docs" / "objectives.md"
EXAMPLE = re.compile(
    r"^ {4}(\w+) (\{.*\}), (?:(.+), )?(\d+) free positions, key (\d+)\n((?: {4}.*\n)+)",
    re.MULTILINE,
)
LENGTHS = {"a": 10, "b": 14}
"""Documents of the example; the second one is cut by the edge of the sequence."""
NAMES: dict[int | None, str] = {
    CONTROL.end: "<end>",
    CONTROL.sep: "<sep>",
    CONTROL.eom: "<eom>",
    **{CONTROL.mask(number): f"<mask_{number}>" for number in range(1, 9)},
    50295: "<prefix>",
    50296: "<suffix>",
    50297: "<middle>",
    50298: "<dummy_0>",
    **{i: f"a{i}" for i in range(1, 11)},
    **{10 + i: f"b{i}" for i in range(1, 15)},
}
PREFIX, TASK = "prefix attention", "task token"
CHOICES: dict[str, dict[str, Any]] = {
    "": {},
    PREFIX: {"attention": "prefix"},
    TASK: {"task_token": 50298},
}
"""What an example has besides its settings."""
SHOWN = [
    ("clm", {}, "", 0, 1),
    ("span_corruption", {}, "", 11, 10),
    ("causal_masking", {}, "", 9, 0),
    ("fim", {"level": "token", "rate": 1.0, "sentinels": [50295, 50296, 50297]}, "", 6, 5),
    ("clm", {}, PREFIX, 0, 2),
    ("span_corruption", {}, PREFIX, 11, 10),
    ("clm", {}, TASK, 1, 1),
    ("ul2_x3", {}, "", 11, 1),
    ("ul2_s", {}, "", 1, 3),
]


def lines(name, settings, choice, free, key):
    """The lines of an example: tokens, loss weights, segment ids, and the prefix."""
    windows = [addresses_of(list(LENGTHS.values()), is_open=True, start=1)]
    objective = make_objective(name, CONTROL, settings, **CHOICES[choice])
    row = row_of(objective, windows, free, key)
    expected = [*range(1, 11), CONTROL.end, *range(11, 25)]
    assert objective.restore(row.tokens, row.segment_ids).tolist() == expected
    tokens = " ".join(NAMES[token] for token in row.tokens.tolist())
    loss = " ".join(f"{weight:g}" for weight in row.loss_weights.tolist())
    return [
        f"    tokens  {tokens}",
        f"    loss    {loss}",
        f"    segment {' '.join(map(str, row.segment_ids.tolist()))}",
        f"    prefix  {row.prefix}",
    ]


def examples():
    return [
        (name, json.loads(settings), choice, int(free), int(key), text.splitlines())
        for name, settings, choice, free, key, text in EXAMPLE.findall(PAGE.read_text())
    ]


@pytest.mark.parametrize("example", examples(), ids=lambda example: example[0])
def test_an_example_row_is_that_of_its_objective(example):
    *arguments, text = example
    assert text == lines(*arguments)


def test_each_family_of_objectives_has_an_example():
    assert [example[:-1] for example in examples()] == SHOWN
    page = PAGE.read_text()
    assert [name for name in [*OBJECTIVES, *MIXES] if f"`{name}`" not in page] == []


def test_the_page_lists_each_setting_with_its_default():
    page = PAGE.read_text()
    for name in ("span_corruption", "causal_masking", "fim"):
        for field, info in OBJECTIVES[name].settings_class.model_fields.items():
            default = "none" if info.default is None else info.default
            assert f"| `{field}` | {default} |" in page, f"{name}: {field}"


if __name__ == "__main__":
    for name, settings, choice, free, key in SHOWN:
        head = ", ".join(filter(None, [f"{name} {json.dumps(settings)}", choice]))
        print(f"\n    {head}, {free} free positions, key {key}")
        print("\n".join(lines(name, settings, choice, free, key)))
