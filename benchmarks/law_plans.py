"""Laws in whole plans: what the rows of a stream over made-up files hold, beside plain numpy.

Each row is parsed from its tokens, and each segment is compared with plain draws for the same
number of tokens. So a figure is wrong where the layout of units prefers some draws to others, and
where a row does not hold what was drawn.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from benchmarks.law_allowances import limited
from benchmarks.law_rows import ParsedSegments, parsed
from benchmarks.law_samples import (
    CONTROL,
    FEW,
    SUMMARY,
    Table,
    halves_of_powers,
    summary,
    tenths,
)
from manifests.dataset.component import Component
from manifests.dataset.token_range import Window
from manifests.dataset.tombstones import NONE
from objectives.stream.order import SCALE
from objectives.stream.plan import Plan, PlanComponent
from objectives.stream.stage import Stage
from objectives.stream.unit_buffer import UnitBuffer
from objectives.stream.unit_sizes import measure
from objectives.tasks.batch import Batch
from objectives.tasks.registry import make_objective, prepare_objectives
from objectives.tasks.ul2 import DENOISERS, Denoiser
from tests.objectives import plain_laws

FILES = ("120", "500", "1200", "5000", "lognormal")
"""Tokens of each file; "lognormal" has a mean of 1,200 and a sigma of 1.3."""

LENGTHS = (512, 2048)
"""L."""

SEQUENCES, ROWS = 16, 64

SHORTEST = 8
"""Segments of at least so many tokens are eligible."""

TOKENS = 8_000_000
"""Tokens of a component."""

DRAWS = 3
"""Plain draws for each segment of the stream, so that their noise is small."""

MAX_SPANS = 10**9
"""No limit of the number of spans."""

CHUNK = 20_000
"""Segments that are drawn at once."""

Values = dict[str, float]


class Plain(NamedTuple):
    """An objective of a plan, and its law in plain numpy.

    Attributes:
        name: of the objective.
        settings: of the objective.
        draw: (random, lengths) -> the columns of SUMMARY, int64 [N, 5]; None for fill in the
            middle.
        most: largest number of spans of which places are compared.
        segments: of a plan. Half of those that are rearranged do not show their first cut.
    """

    name: str
    settings: dict[str, Any]
    draw: Callable[[np.random.Generator, Table], Table] | None
    most: int = MAX_SPANS
    segments: int = 100_000

    @property
    def title(self) -> str:
        """The name and the settings."""
        return ", ".join([self.name, *(f"{k} = {v}" for k, v in self.settings.items())])


def _causal_masking(random: np.random.Generator, lengths: Table) -> Table:
    """Draw numbers, and the spans of segments of up to FEW spans."""
    numbers = plain_laws.span_numbers(random, lengths)
    rows, few = np.ones((len(lengths), len(SUMMARY)), np.int64), numbers <= FEW
    rows[few] = summary(plain_laws.causal_masking(random, lengths[few], numbers[few]))
    rows[~few, 0] = numbers[~few]
    return rows


def _span_corruption(
    random: np.random.Generator, lengths: Table, bound: int | None = None
) -> Table:
    return summary(plain_laws.span_corruption(random, lengths, bound=bound))


def _denoiser(random: np.random.Generator, lengths: Table, denoiser: type[Denoiser]) -> Table:
    return summary(plain_laws.denoiser(random, lengths, denoiser.share, denoiser.mean))


PLANNED = (
    Plain("span_corruption", {}, _span_corruption),
    Plain("span_corruption", {"span_lengths": 64}, partial(_span_corruption, bound=64)),
    Plain("causal_masking", {}, _causal_masking, most=FEW),
    Plain("fim", {}, None, segments=400_000),
    Plain("fim", {"level": "token"}, None, segments=400_000),
    *(Plain(d.name, {}, partial(_denoiser, denoiser=d)) for d in DENOISERS),
)

MUTATIONS: tuple[tuple[int, dict[str, Any]], ...] = (
    (0, {"ratio_high": 0.9 * 0.95}),
    (1, {"ratio_high": 0.9 * 0.95, "span_lengths": 64}),
    (2, {"spans": 1.05}),
    (3, {"rate": 0.5 * 1.05}),
)
"""Numbers of PLANNED, and settings with a rate 5 % off."""

SENTINELS = (50295, 50296, 50297)


class MadeUpComponent:
    """A component of given tokens, in files of given lengths."""

    def __init__(self, files: str, text: npt.NDArray[np.uint16]) -> None:
        """Cut `text` into files of `files` tokens."""
        self.name, tokens = "s/a", len(text)
        if files == "lognormal":
            random = np.random.default_rng(0)
            draws = random.lognormal(np.log(1200) - 1.3**2 / 2, 1.3, tokens // 1200)
            lengths = np.maximum(draws.astype(np.int64), 1)
            lengths = lengths[np.cumsum(lengths) <= tokens]
        else:
            lengths = np.full(tokens // int(files), int(files))
        self.text, self.ends = text, np.cumsum(lengths + 1) - 1
        self.documents, self.tokens = len(lengths), int(lengths.sum())
        self.addresses, self.digest = self.tokens + self.documents, "0" * 64
        self.dtype, self.is_local = np.dtype(np.uint16), True

    def window(self, address: int, count: int, out: npt.NDArray[Any] | None = None) -> Window:
        """Return `count` addresses; see `Component.window`."""
        stop, number = address + count, int(np.searchsorted(self.ends, address))
        ends = self.ends[number : np.searchsorted(self.ends, stop)]
        first, size = address - number, count - len(ends)
        if stop > self.addresses:
            more = self.ends[: np.searchsorted(self.ends, stop - self.addresses)]
            ends, size = np.concatenate([ends, more + self.addresses]), size - len(more)
        tokens = (np.empty(count, np.uint16) if out is None else out)[:size]
        before = min(size, self.tokens - first)
        tokens[:before] = self.text[first : first + before]
        tokens[before:] = self.text[: size - before]
        return Window(tokens, ends - address)


def rows_of(
    plain: Plain, settings: dict[str, Any], component: MadeUpComponent, length: int,
    tokenizer: str | None, seed: int,
) -> Iterator[tuple[ParsedSegments, int, int]]:  # fmt: skip
    """Yield the segments of consecutive rows, and how many are eligible and thinned."""
    name = plain.name
    chosen = settings | ({"sentinels": SENTINELS} if name == "fim" else {})
    objective = make_objective(name, CONTROL, chosen)
    laws = prepare_objectives({name: objective}, tokenizer)
    opened = cast(Component, component)
    size = measure(opened, component.name, seed, [0] * SEQUENCES, laws, length)
    planned = PlanComponent(
        name=component.name, dataset="memory", addresses=component.addresses,
        tokens=component.tokens, documents=component.documents, digest=component.digest,
        unit_size=size.addresses,
    )  # fmt: skip
    plan = Plan(
        seed=seed, sequence_length=length, interleave=ROWS, control=CONTROL,
        slots=[name] * SEQUENCES, components=[planned],
        stages=[Stage(position=0, weights=[SCALE])], settings={name: chosen}, positions=1,
    )  # fmt: skip
    buffer, position = UnitBuffer(plan, [opened], lambda *_: NONE, laws), 0
    batch = Batch.empty(ROWS, length)
    while True:
        sequences = buffer.sequences(position, ROWS)
        objective.fill(sequences.segments, np.arange(ROWS), batch)
        eligible, thinned = int(sequences.eligible.sum()), int(sequences.thinned.sum())
        yield parsed(objective, sequences.segments, batch), eligible, thinned
        position += ROWS


def worst(
    plain: Plain, settings: dict[str, Any], component: MadeUpComponent, length: int,
    tokenizer: str | None, seed: int, allowances: bool = False,
) -> tuple[float, str]:  # fmt: skip
    """Return the largest deviation of a plan's figures from plain numpy's, and its name.

    A deviation is in units of what is allowed: 1 % of a mean; 1 % or 0.5 points of a share; 1 % of
    thinned segments. With `allowances`, segments are changed as the allowances of earlier versions
    say.
    """
    parts, eligible, thinned = list[ParsedSegments](), 0, 0
    for part, able, lost in rows_of(plain, settings, component, length, tokenizer, seed):
        parts.append(part)
        eligible, thinned = eligible + able, thinned + lost
        if sum(np.count_nonzero(p.lengths >= SHORTEST) for p in parts) >= plain.segments:
            break
    ours = ParsedSegments.joined(parts)
    random = np.random.default_rng([seed, length, component.documents])
    if allowances:
        ours = limited(plain.name, ours, length, random)
    scores = compared(plain, ours, random)
    scores["thinned"] = thinned / max(eligible, 1) / 0.01
    name = max(scores, key=scores.__getitem__)
    return scores[name], name


def compared(plain: Plain, ours: ParsedSegments, random: np.random.Generator) -> Values:
    """Return the deviation of each figure, in the units of `worst`."""
    if plain.draw is None:
        kept = ours.lengths >= SHORTEST
        places, changed = ours.places[kept], ours.is_changed[kept]
        seen = _cuts(ours.numbers[kept], changed, places)
        cuts = plain_laws.fill_in_the_middle(random, np.tile(places, DRAWS))
        # An empty prefix in the order PSM looks like the order SPM.
        looks_spm = cuts.is_spm | (cuts.first == 0)
        rows = np.stack([looks_spm, cuts.first, cuts.second], axis=1).astype(np.int64)
        expected = _cuts(rows, cuts.drawn, np.tile(places, DRAWS))
    else:
        changed = ours.is_changed
        lengths = ours.lengths[changed]
        seen = _spans(ours.numbers[changed], lengths, plain.most)
        drawn = [
            plain.draw(random, part)
            for part in np.array_split(np.tile(lengths, DRAWS), DRAWS * len(lengths) // CHUNK + 1)
        ]
        expected = _spans(np.concatenate(drawn), np.tile(lengths, DRAWS), plain.most)
    scores = {}
    for name in seen.keys() | expected.keys():
        value = expected.get(name, 0.0)
        allowed = max(0.01 * value, 0.005 if name.startswith("share") else 0.0)
        scores[name] = abs(seen.get(name, 0.0) - value) / allowed
    return scores


def _spans(rows: Table, lengths: Table, most: int) -> Values:
    """Return the means and the shares of bins, of the columns of SUMMARY."""
    number, masked, start, size, end = rows.T
    few = number <= most
    values = {"mean number": float(number.mean())}
    values |= {
        f"share of {low} to {high - 1}": float(np.mean((number >= low) & (number < high)))
        for low, high in ((1, 2), (2, 3), (3, 5), (5, 9), (9, 17), (17, 10**9))
    }
    values["mean ratio"] = float((masked / lengths)[few].mean())
    columns = {
        "ratio": tenths(masked, lengths), "first length": halves_of_powers(size),
        "first start": tenths(start, lengths), "last end": tenths(end - 1, lengths),
    }  # fmt: skip
    for column, bins in columns.items():
        values |= _shares(column, bins[few])
    return values


def _cuts(rows: Table, changed: npt.NDArray[np.bool_], places: Table) -> Values:
    """Return the rate and the shares of bins of fill in the middle."""
    spm, first, second = rows[changed].T
    places = places[changed] + 1
    values = {"share drawn": float(changed.mean()), "share SPM": float(np.mean(spm))}
    is_psm = spm == 0
    values |= _shares("first", tenths(first, places)[is_psm])
    return values | _shares("second", tenths(second, places))


def _shares(column: str, bins: Table) -> Values:
    values, counts = np.unique(bins, return_counts=True)
    pairs = zip(values.tolist(), (counts / len(bins)).tolist(), strict=True)
    return {f"share of {column} {value}": share for value, share in pairs}
