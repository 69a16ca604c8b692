"""Each objective makes the same batches of made-up components as same_batches.json says.

`python -m tests.objectives.test_same_batches` writes same_batches.json anew. A change of it is a
change of what a plan means: the commit that makes one says which objective changed and why.
"""

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from manifests.special_tokens import SpecialTokens
from manifests.tokenizer.tokenizer import train_tokenizer
from objectives.stream.order import SCALE
from objectives.stream.plan import Plan
from objectives.stream.stream import Stream
from objectives.tasks.registry import MIXES, OBJECTIVES
from tests.objectives.conftest import MemoryComponent, make_plan_over

EXPECTED = Path(__file__).with_name("same_batches.json")
TEXTS = ["for 中文 in übergröße:\n\treturn 'naïve' # 🦀🦀\n" * 20, "the theory of the thing " * 20]
CONTROL = SpecialTokens(end=0, sep=900, eom=901, mask_1=999, masks=90, vocabulary=1000)
SENTINELS = [902, 903, 904]
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "clm": [{}],
    "span_corruption": [
        {},
        {"ratio_low": 0.2, "ratio_high": 0.4, "mask_weight": 0.5, "span_lengths": 6},
    ],
    "causal_masking": [{}, {"spans": 4.0, "mask_weight": 1.0}],
    "fim": [
        {"sentinels": SENTINELS},
        {"sentinels": SENTINELS, "level": "token", "rate": 0.9, "spm_rate": 0.2},
    ],
}
CHOICES: list[tuple[str, dict[str, Any]]] = [
    ("clm", {"attention": "prefix"}),
    ("codegen2", {"attention": "prefix"}),
    ("ul2_r3", {"task_tokens": {"ul2_r3": 905}}),
    ("ul2_s", {"task_tokens": {"ul2_s": 906}}),
    ("codegen2", {"task_tokens": {"clm": 905, "span_corruption": 906}}),
]
"""Mixes with prefix attention or task tokens."""
SEEN = [(0, 70), (12_345, 40), (10**11, 40)]
"""(position, rows) of each batch."""
ARRAYS = ["tokens", "loss_weights", "segment_ids", "prefix", "component"]
NAMES = np.array(list(OBJECTIVES))


class SmallTokens(MemoryComponent):
    """A component of a vocabulary of 256 tokens."""

    def window(self, address, count, out=None):
        window = super().window(address, count, out)
        window.tokens[:] = 1 + window.tokens % 255
        return window


def components():
    generator = np.random.default_rng(0)
    files = np.minimum(generator.lognormal(4, 1.5, 400).astype(int), 3000)
    return [
        SmallTokens("the-stack/c", files),
        SmallTokens("the-stack/tiny", generator.integers(0, 4, 3000)),
        SmallTokens("the-pile/long", [0, 5000, 1, 2, 700]),
    ]


def forgotten(names):
    """The addresses that the tombstones of the first component take."""
    return np.array([[60, 130], [4000, 9000]], np.int64)


def plan_of(objective, settings, tokenizer, **choices):
    """A plan of two stages, the second with other weights and tombstones."""
    plan = make_plan_over(
        components(), objective=objective, length=256, settings=settings, control=CONTROL,
        tokenizer=tokenizer, **choices,
    )  # fmt: skip
    first = plan.stages[0]
    weights = [SCALE // 2, SCALE // 8, SCALE // 8 * 3]
    changed = {"weights": weights, "tombstones": {"the-stack/c": ["a"]}}
    second = first.model_copy(update={"position": 2 * plan.group, **changed})
    return Plan.model_validate({**dict(plan), "stages": [first, second]})


def digest(stream):
    values = hashlib.sha256()
    for position, rows in SEEN:
        arrays = stream.batch(position, rows).arrays()
        for name in ARRAYS:
            values.update(arrays[name].tobytes())
        values.update(" ".join(NAMES[arrays["objective"]]).encode())
    return values.hexdigest()


def measure(directory):
    """{objective and settings: the digest of its batches}."""
    tokenizer = directory / "tokenizer.json"
    tokenizer.write_bytes(train_tokenizer(TEXTS, 400, 4))
    plans = {}
    for objective in [*OBJECTIVES, *MIXES]:
        for settings in SETTINGS.get(objective, [{}]):
            named = {objective: settings} if settings else {}
            plan = plan_of(objective, named, str(tokenizer))
            plans[f"{objective} {json.dumps(settings)}"] = plan
    for objective, choices in CHOICES:
        plan = plan_of(objective, {}, str(tokenizer), **choices)
        plans[f"{objective} {json.dumps(choices)}"] = plan
    by_name, taken = {c.name: c for c in components()}, {"the-stack/c": forgotten}
    return {
        name: digest(Stream(plan, by_name, taken, str(tokenizer))) for name, plan in plans.items()
    }


def test_every_objective_makes_the_same_batches_as_before(tmp_path):
    assert measure(tmp_path) == json.loads(EXPECTED.read_text())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        EXPECTED.write_text(json.dumps(measure(Path(made)), indent=2) + "\n")
