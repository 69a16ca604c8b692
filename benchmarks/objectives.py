"""Measure whole batches of each objective on one core beside a ceiling.

The ceiling is a flat memmap of uint16 tokens that becomes batches in its order, with constant loss
weights and segment ids. Fill in the middle is also measured beside the way of public training code.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.claims import Claim, main, medians, rate, say
from benchmarks.prepared import dataset
from benchmarks.stream import flat_memmap
from manifests.dataset.dataset import Dataset
from manifests.mixture.config import load_mixture
from manifests.mixture.mixture import make_mixture
from manifests.tokenizer.tokenizer import load_text_tokenizer
from objectives.stream.plan import make_plan
from objectives.stream.stream import Stream
from objectives.tasks.objective import Attention
from objectives.tasks.registry import MIXES, OBJECTIVES

RUNS, BATCHES, ROWS, LENGTH = 5, 60, 64, 2048
OTHERS = [name for name in [*OBJECTIVES, *MIXES] if name not in ("clm", "codegen2")]
"""benchmarks/stream.py measures the other two."""

CASES: list[tuple[str, Attention]] = [*((name, "causal") for name in OTHERS), ("clm", "prefix")]
"""(objective, attention)."""

GOAL = 0.1
"""Goal, as a share of the ceiling."""

FIM_GOAL, FIM_SEQUENCES = 20.0, 200
"""Goal, as a multiple of the rate of a sequence at a time; how many sequences that one makes."""


def stream_of(
    directory: Path,
    objective: str,
    work: str,
    attention: Attention = "causal",
    length: int = LENGTH,
) -> Stream:
    """Return a stream over all of a dataset, by one objective."""
    mixture, opened = f"{work}/MIX.toml", Dataset.open(str(directory))
    if not Path(mixture).exists():
        sources = {name.split("/")[0] for name in opened.components}
        make_mixture([str(directory)], dict.fromkeys(sources, 1.0), epochs=100, out=mixture)
    # The corpus' vocabulary has no ids to spare for filling in the middle; masks stand in.
    masks = [opened.tokenizer.control.mask(number) for number in (1, 2, 3)]
    settings = {"fim": {"sentinels": masks}} if objective == "fim" else {}
    plan = make_plan(
        load_mixture(mixture), objective, batch=ROWS, sequence_length=length, settings=settings,
        attention=attention,
    )  # fmt: skip
    return Stream.open(plan)


def taking(stream: Stream) -> Callable[[], float]:
    """Return a run that reads the next batches and returns its rate, after a warm-up."""
    position = 0

    def run() -> int:
        nonlocal position
        for _ in range(BATCHES):
            stream.batch(position, ROWS)
            position += ROWS
        return BATCHES * ROWS * LENGTH

    while position * LENGTH < 2 * sum(c.addresses for c in stream.plan.components):
        run()
    return lambda: rate(run) / 1e6


class PerSample:
    """Fill in the middle as Megatron-LM's datasets do it, a sequence at a time.

    Each document of a sequence becomes text, is cut at two of its characters, its three parts
    become tokens again, and the sequence is cut or padded to its length.
    """

    def __init__(self, directory: Path, sequences: npt.NDArray[np.int64]) -> None:
        """Keep sequences of tokens as they are stored, [n, L]."""
        opened = Dataset.open(str(directory))
        self.end = opened.tokenizer.control.end
        self.tokenizer = load_text_tokenizer(opened.tokenizer_path)
        self.sequences, self.random = sequences, np.random.RandomState(1)

    def __call__(self) -> float:
        """Return the rate over all sequences, in million tokens a second."""
        return rate(lambda: sum(len(self.sequence(tokens)) for tokens in self.sequences)) / 1e6

    def sequence(self, tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Rearrange half of the documents of a sequence."""
        pieces = []
        for document in np.split(tokens, np.flatnonzero(tokens == self.end) + 1):
            body = document[document != self.end]
            rearranged = self.random.binomial(1, 0.5) and len(body)
            pieces += [self.document(body) if rearranged else body, document[len(body) :]]
        joined = np.concatenate(pieces)[: len(tokens)]
        return np.pad(joined, (0, len(tokens) - len(joined)), constant_values=self.end)

    def document(self, body: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Move the middle of a document to its end; end tokens stand for sentinels."""
        text: str = self.tokenizer.decode(body.tolist(), skip_special_tokens=False)
        low, high = sorted(self.random.randint(0, len(text) + 1, 2))
        front, middle, back = (self.ids(part) for part in (text[:low], text[low:high], text[high:]))
        sentinel = np.array([self.end])
        if self.random.binomial(1, 0.5):
            return np.concatenate([sentinel, sentinel, back, sentinel, front, middle])
        return np.concatenate([sentinel, front, sentinel, back, sentinel, middle])

    def ids(self, text: str) -> Any:
        """Return the tokens of a part."""
        return np.array(self.tokenizer.encode(text, add_special_tokens=False).ids, np.int64)


def measure(data: Path) -> Sequence[Claim]:
    """Read batches of 64 sequences of 2,048 tokens of each objective, with a warm page cache."""
    directory = dataset(data).resolve()
    claims = []
    with tempfile.TemporaryDirectory() as work:
        plain = stream_of(directory, "clm", work).batch(0, FIM_SEQUENCES).tokens
        per_sample = PerSample(directory, plain)
        flat = f"{work}/flat.npy"
        np.save(flat, plain.astype(np.uint16).ravel())
        flat_batches = flat_memmap(flat, BATCHES, whole=True)

        def memmap() -> float:
            return rate(flat_batches) / 1e6

        for name, attention in CASES:
            title = name if attention == "causal" else f"{name} with prefix attention"
            say(f"objectives: {title}")
            runs = [taking(stream_of(directory, name, work, attention)), memmap]
            ours, ceiling, *peer = medians(RUNS, *runs, *([per_sample] if name == "fim" else []))
            text = (
                f"{title}, million tokens a second, mixed, shuffled, whole batches, on one core: "
            )
            text += "beside a flat uint16 memmap as int64 with constant weights and segment ids"
            claims.append(Claim(text, ours, ceiling, GOAL, ("numpy", "numba")))
            if peer:
                text = "fill in the middle at characters, million tokens a second: beside a "
                text += "sequence at a time by text, as Megatron-LM's datasets do it"
                claims.append(Claim(text, ours, peer[0], FIM_GOAL, ("numpy", "tokenizers")))
    return claims


if __name__ == "__main__":
    main("benchmarks.objectives", measure)
