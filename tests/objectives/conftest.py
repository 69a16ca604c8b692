"""Components in memory, and plans over them."""

from types import SimpleNamespace

import numpy as np
import pytest

from manifests.dataset.token_range import Window
from manifests.errors import UsageError
from manifests.special_tokens import SpecialTokens
from objectives.stream.order import SCALE
from objectives.stream.plan import Plan, PlanComponent
from objectives.stream.stage import Stage
from objectives.stream.unit_sizes import measure
from objectives.tasks.law import NONE
from objectives.tasks.registry import (
    common_denominator,
    make_objectives,
    make_slots,
    prepare_objectives,
    shares_of,
)

CODEGEN2 = SpecialTokens(end=50256, sep=50299, eom=50300, mask_1=51199, masks=899, vocabulary=51200)


class MemoryComponent:
    """A component whose token at address x is x modulo 50,000: a sequence names its addresses."""

    def __init__(self, name, lengths):
        self.name = name
        self.lengths = np.asarray(lengths, dtype=np.int64)
        self.documents = len(self.lengths)
        self.tokens = int(self.lengths.sum())
        self.addresses = self.tokens + self.documents
        self.digest = "0" * 64
        self.ends = np.cumsum(self.lengths + 1) - 1
        self.dtype = np.dtype(np.uint16)
        self.is_local = True

    def window(self, address, count, out=None):
        at = (address + np.arange(count)) % self.addresses
        is_end = self.ends[np.searchsorted(self.ends, at)] == at
        tokens = (np.empty(count, np.uint16) if out is None else out)[: np.sum(~is_end)]
        tokens[:] = at[~is_end] % 50_000
        return Window(tokens, np.flatnonzero(is_end))

    def document_at(self, address):
        number = int(np.searchsorted(self.ends, address))
        return number, bool(address != self.ends[number] - self.lengths[number])

    def origin(self, document):
        return {
            "id": document.to_bytes(16, "big"),
            "repositories": [f"owner/{self.name.split('/')[1]}"],
            "path": f"src/{document}.py",
            "license": "MIT",
            "tokens": int(self.lengths[document]),
        }


def make_plan_over(
    components,
    objective="codegen2",
    length=128,
    weights=None,
    tokenizer=None,
    unit_size=None,
    **fields,
):
    """A plan with equal weights, or those given; units of at least 16 sequences.

    Units have `unit_size` addresses, or as many as the planner measures.
    """
    count = len(components)
    weights = weights or [SCALE // count + (SCALE % count if i == 0 else 0) for i in range(count)]
    shares = shares_of(objective)
    step = common_denominator(shares)
    slots = make_slots(shares, -(-fields.pop("sequences", 16) // step) * step)
    fields = {"seed": 1, "control": CODEGEN2, "settings": {}, **fields}
    return Plan(
        **{
            "sequence_length": length,
            "interleave": 8,
            "slots": slots,
            "components": [
                PlanComponent(
                    name=c.name,
                    dataset="memory",
                    addresses=c.addresses,
                    tokens=c.tokens,
                    documents=c.documents,
                    digest=c.digest,
                    unit_size=unit_size or measured(c, slots, length, tokenizer, fields),
                )
                for c in components
            ],
            "stages": [Stage(position=0, weights=weights)],
            "positions": 1000,
            **fields,
        }
    )


def measured(component, slots, length, tokenizer, fields):
    """The size of a unit as the planner measures it, or a guess where the plan has faults."""
    try:
        objectives = make_objectives(
            slots, fields["control"], fields["settings"], fields.get("attention", "causal"),
            fields.get("task_tokens"),
        )  # fmt: skip
        laws = prepare_objectives(objectives, tokenizer)
    except UsageError:
        return len(slots) * length * 9 // 10
    rows = [list(objectives).index(name) for name in slots]
    if (laws.numbers[:, 0] == NONE).all():
        return len(slots) * length - sum(int(laws.numbers[row, 1]) for row in rows)
    return measure(component, component.name, fields["seed"], rows, laws, length).addresses


def equal(one, other):
    return all(np.array_equal(a, other.arrays()[name]) for name, a in one.arrays().items())


@pytest.fixture(scope="session")
def memory():
    """What the tests of this folder share, under one name."""
    return SimpleNamespace(
        control=CODEGEN2, component=MemoryComponent, plan=make_plan_over, equal=equal
    )


@pytest.fixture(scope="session")
def three(memory):
    """Three components: files of all lengths, very short ones, and one long one among others."""
    generator = np.random.default_rng(0)
    files = np.minimum(generator.lognormal(4, 1.5, 400).astype(int), 3000)
    return [
        memory.component("the-stack/c", files),
        memory.component("the-stack/tiny", generator.integers(0, 4, 3000)),
        memory.component("the-pile/long", [0, 5000, 1, 2, 700]),
    ]
