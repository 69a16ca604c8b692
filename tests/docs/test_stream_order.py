"""docs/stream-order.md: its test vectors and its example are recomputed in plain Python.

`python -m tests.docs.test_stream_order` prints the table of the example.
"""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from manifests.prng.permutation import permute
from manifests.special_tokens import SpecialTokens
from objectives.stream.order import SCALE, WeightedInterleave
from objectives.stream.plan import Plan, PlanComponent
from objectives.stream.sampler import Sampler
from objectives.stream.stage import Stage
from tests.objectives.stream import plain_order

PAGE = Path(__file__).parents[2] / "docs" / "stream-order.md"
HEADER = "| position | unit number | component | draw | epoch | unit | offset | sequence | "
HEADER += "objective | key | addresses |"

PLAN = Plan(
    seed=7,
    sequence_length=16,
    slots=["clm", "ul2_s"],
    interleave=2,
    control=SpecialTokens(end=0, sep=1, eom=2, mask_1=9, masks=4, vocabulary=10),
    components=[
        PlanComponent(
            name=name, dataset="d", addresses=n, tokens=n, documents=0, digest="0", unit_size=size
        )
        for name, n, size in (("s/a", 100, 28), ("s/b", 50, 30))
    ],
    stages=[Stage(position=0, weights=[SCALE // 4 * 3, SCALE // 4])],
    positions=16,
)


def example():
    """The lines of the example's table, without the header."""
    lines = []
    for position in range(16):
        location = plain_order.locate(PLAN, position)
        number = position // 4 * 2 + position % 4 % 2
        component, draw = plain_order.component_at(PLAN, number)
        _, _, start = plain_order.unit(
            draw,
            PLAN.components[component].addresses,
            PLAN.components[component].unit_size,
            plain_order.derive(PLAN.seed, PLAN.components[component].name),
        )
        ranges = ", ".join(f"{epoch}: {first} + {size}" for epoch, first, size in location.ranges)
        cells = [position, number, PLAN.components[component].name, draw, location.epoch]
        cells += [location.unit, start, location.sequence, location.objective]
        lines.append("| " + " | ".join(map(str, [*cells, f"`{location.key:016x}`", ranges])) + " |")
    return lines


def test_the_table_of_the_example_is_that_of_the_formulas():
    lines = PAGE.read_text().splitlines()
    start = lines.index(HEADER) + 2
    assert lines[start : start + 17] == [*example(), ""]


def test_the_sampler_locates_as_the_page_does():
    sampler = Sampler(PLAN)
    for position in (*range(200), 10**11):
        assert sampler.locate(position) == plain_order.locate(PLAN, position)


def test_the_vectors_of_the_page_hold():
    names: dict[str, Callable[..., int]] = {
        "mix": plain_order.mix,
        "draw": plain_order.draw,
        "derive": plain_order.derive,
        "below": plain_order.below,
        "name_number": plain_order.name_number,
        "permute": plain_order.permute,
    }
    vectors = re.findall(r"^ {4}(\w+)\((.*)\) = (\w+)$", PAGE.read_text(), re.MULTILINE)
    assert {name for name, _, _ in vectors} == set(names)
    for name, arguments, value in vectors:
        values = [a.strip('"') if '"' in a else int(a, 0) for a in arguments.split(", ")]
        assert names[name](*values) == int(value, 0), f"{name}({arguments})"


def test_the_interleave_of_the_page_holds():
    text = PAGE.read_text()
    (weights,) = re.findall(r"weights (\d+), (\d+) and (\d+)", text)
    (order,) = re.findall(r"the components of units 0 to 15 are ([\d ]+)", text)
    plain = plain_order.Interleave(list(map(int, weights)))
    assert [plain.component_of(number)[0] for number in range(16)] == list(map(int, order.split()))
    counts = WeightedInterleave(list(map(int, weights))).counts(16)
    assert counts == [order.split().count(str(component)) for component in range(3)]


def test_the_compiled_permutation_has_the_vectors_of_the_page():
    vectors = re.findall(r"^ {4}permute\((\d+), (\d+), (\d+)\) = (\d+)$", PAGE.read_text(), re.M)
    assert vectors
    for index, count, key, image in vectors:
        assert permute(int(index), int(count), np.uint64(int(key))) == int(image)


if __name__ == "__main__":
    print("\n".join(example()))
