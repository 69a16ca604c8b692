"""Laws in whole plans: the segments of a stream over made-up files, beside plain Python.

Each segment of the stream is compared with plain Python's draw for the same number of tokens, so a
figure is wrong where the layout of units prefers some draws to others.
"""

from collections.abc import Iterator
from random import Random
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from benchmarks.law_samples import CONTROL
from manifests.dataset.component import Component
from manifests.dataset.token_range import Window
from manifests.dataset.tombstones import NONE
from objectives.stream.order import SCALE
from objectives.stream.plan import Plan, PlanComponent
from objectives.stream.stage import Stage
from objectives.stream.unit_buffer import UnitBuffer
from objectives.stream.unit_sizes import measure
from objectives.tasks.batch import Segments
from objectives.tasks.registry import OBJECTIVES, prepare_objectives
from objectives.tasks.span_corruption import masked_tokens
from objectives.tasks.ul2 import DENOISERS
from tests.objectives import plain_laws

FILES = ("120", "500", "1200", "5000", "lognormal")
"""Tokens of each file; "lognormal" has a mean of 1,200 and a sigma of 1.3."""

LENGTHS = (512, 2048)
"""L."""

SEQUENCES, ROWS = 16, 64

SHORTEST = 8
"""Segments of at least so many tokens are eligible."""

Values = dict[str, float]


class MadeUpComponent:
    """A component of zeros with files of given lengths."""

    def __init__(self, files: str, tokens: int = 8_000_000) -> None:
        """Make files of `files` tokens, `tokens` of them in all."""
        self.name = "s/a"
        lengths = np.full(tokens // 1200, 1200) if files == "lognormal" else np.empty(0)
        if files == "lognormal":
            draws = np.random.default_rng(0).lognormal(np.log(1200) - 1.3**2 / 2, 1.3, len(lengths))
            lengths = np.maximum(draws.astype(np.int64), 1)
        else:
            lengths = np.full(tokens // int(files), int(files))
        self.ends = np.cumsum(lengths + 1) - 1
        self.documents, self.tokens = len(lengths), int(lengths.sum())
        self.addresses, self.digest = self.tokens + self.documents, "0" * 64
        self.dtype, self.is_local = np.dtype(np.uint16), True

    def window(self, address: int, count: int, out: npt.NDArray[Any] | None = None) -> Window:
        """Return `count` addresses; see `Component.window`."""
        stop = address + count
        ends = self.ends[np.searchsorted(self.ends, address) : np.searchsorted(self.ends, stop)]
        if stop > self.addresses:
            more = self.ends[: np.searchsorted(self.ends, stop - self.addresses)]
            ends = np.concatenate([ends, more + self.addresses])
        tokens = (np.empty(count, np.uint16) if out is None else out)[: count - len(ends)]
        tokens[:] = 0
        return Window(tokens, ends - address)

    def ahead(self, address: int, count: int) -> None:
        """Do nothing."""

    def document_at(self, address: int) -> tuple[int, bool]:
        """Return the document that holds an address, and whether it starts before it."""
        number = int(np.searchsorted(self.ends, address))
        return number, address != (self.ends[number - 1] + 1 if number else 0)

    def origin(self, document: int) -> dict[str, Any]:
        """Return the number of a document."""
        return {"document": document}


def segments_of(name: str, files: str, length: int, seed: int) -> Iterator[tuple[Segments, int]]:
    """Yield the segments of consecutive rows of one objective, and how many are thinned."""
    component = cast(Component, MadeUpComponent(files))
    settings = {"fim": {"level": "token", "sentinels": (1, 2, 3)}} if name == "fim" else {}
    objective = OBJECTIVES[name](
        CONTROL, OBJECTIVES[name].settings_class.model_validate(settings.get(name, {}))
    )
    laws = prepare_objectives({name: objective}, None)
    size = measure(component, component.name, seed, [0] * SEQUENCES, laws, length)
    planned = PlanComponent(
        name=component.name, dataset="memory", addresses=component.addresses,
        tokens=component.tokens, documents=component.documents, digest=component.digest,
        unit_size=size.addresses, padding=size.padding,
    )  # fmt: skip
    plan = Plan(
        seed=seed, sequence_length=length, interleave=ROWS, control=CONTROL,
        slots=[name] * SEQUENCES, components=[planned],
        stages=[Stage(position=0, weights=[SCALE])], settings=settings, positions=1,
    )  # fmt: skip
    buffer, position = UnitBuffer(plan, [component], lambda *_: NONE, laws), 0
    while True:
        sequences = buffer.sequences(position, ROWS)
        yield sequences.segments, int(sequences.thinned.sum())
        position += ROWS


def worst(name: str, files: str, length: int, seed: int, segments: int) -> tuple[float, Values]:
    """Return the largest deviation of a plan's figures from plain Python's, and our figures.

    A deviation is in units of what is allowed: 1 % of a mean; 1 % or 0.5 points of a share; 1 % of
    thinned segments.
    """
    ours, plain = figures(name, files, length, seed, segments)
    scores = [
        abs(ours[key] - plain[key])
        / max(0.01 * plain[key], 0.005 if key.startswith("share") else 1e-12)
        for key in plain
    ]
    return max(*scores, ours["thinned"] / 0.01), ours


def figures(name: str, files: str, length: int, seed: int, segments: int) -> tuple[Values, Values]:
    """Return figures over `segments` segments that could be changed: ours, and plain Python's."""
    random, law = Random(f"{seed} {name} {files} {length}"), OBJECTIVES[name]
    rows: list[tuple[int, float]] = []
    plain: list[tuple[int, float]] = []
    thinned = eligible = 0
    for part, lost in segments_of(name, files, length, seed):
        thinned += lost
        for size, control, key in zip(
            part.lengths.tolist(), part.control_tokens.tolist(), part.keys, strict=True
        ):
            if size < SHORTEST:
                continue
            eligible += 1
            if name == "fim":
                rows.append((int(control > 0), 0.0))
                plain.append((int(plain_laws.fill_in_the_middle(random, size) is not None), 0.0))
            elif control:
                number = control // (2 if law in DENOISERS else 3)
                masked = 0
                if name == "span_corruption":
                    masked = masked_tokens(key, size, 0, round(0.9 * (1 << 32)))
                rows.append((number, masked / size))
                plain.append(_plain(name, random, size))
        if eligible >= segments:
            break
    ours, other = _summary(np.array(rows)), _summary(np.array(plain))
    ours["thinned"] = thinned / eligible
    return ours, other


def _plain(name: str, random: Random, size: int) -> tuple[int, float]:
    if name == "span_corruption":
        spans = plain_laws.span_corruption(random, size)
        return len(spans), sum(length for _, length in spans) / size
    if name == "causal_masking":
        law = plain_laws.span_number_law(size)[:20]  # the rest is below 1e-19
        number = random.choices(range(1, len(law) + 1), law)[0]
    else:
        denoiser = next(d for d in DENOISERS if d.name == name)
        _, number = plain_laws.denoiser_numbers(size, denoiser.share, denoiser.mean)
    return number, 0.0


def _summary(rows: npt.NDArray[np.float64]) -> Values:
    """Return the means and the shares of bins."""
    numbers, ratios = rows[:, 0], rows[:, 1]
    values = {"mean number": float(numbers.mean())}
    values |= {
        f"share of {low} to {high - 1}": float(np.mean((numbers >= low) & (numbers < high)))
        for low, high in ((0, 1), (1, 2), (2, 3), (3, 5), (5, 9), (9, 17), (17, 10**9))
    }
    if ratios.any():
        values["mean ratio"] = float(ratios.mean())
        tenths = np.minimum((ratios * 10).astype(np.int64), 9)
        values |= {
            f"share of ratio {tenth}": float(np.mean(tenths == tenth)) for tenth in range(10)
        }
    return values
