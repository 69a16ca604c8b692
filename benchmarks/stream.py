"""Batches for a trainer: mixed, shuffled and exact, beside what other loaders give."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import numpy as np
import webdataset

from benchmarks.claims import Claim, main, medians, rate, say
from benchmarks.peers.environment import ask
from benchmarks.peers.rates import GROUPS, LENGTH, ROWS
from benchmarks.prepared import dataset
from manifests.dataset.dataset import Dataset
from manifests.mixture.mixture import load_mixture, make_mixture
from objectives.stream.plan import make_plan
from objectives.stream.stream import Stream
from objectives.tasks.batch import PADDING

RUNS, BATCHES = 7, 400

CLM, WHOLE, CODEGEN2 = 600.0, 350.0, 200.0
"""Million tokens a second: the goals."""
PADDED = 0.1
"""Percent of positions."""
PEERS = {
    "litdata": "litdata_stream",
    "megatron-energon": "energon_stream",
    "mosaicml-streaming": "mosaicml_stream",
}


class Batches:
    """A stream's batches, one after the other."""

    def __init__(self, directory: Path, objective: str, work: str) -> None:
        """Mix the groups half and half, and read an epoch: every block is checked."""
        mixture = f"{work}/{objective}.toml"
        weights = {group: 1 / len(GROUPS) for group in GROUPS}
        make_mixture([str(directory)], weights, epochs=100, out=mixture)
        self.plan = make_plan(load_mixture(mixture), objective, batch=ROWS)
        self.stream, self.position = Stream.open(self.plan), 0
        epoch = sum(component.addresses for component in self.plan.components)
        while self.position * LENGTH < 3 * epoch:
            self.tokens(BATCHES)

    def tokens(self, batches: int) -> int:
        """Take some batches; return how many tokens they held."""
        for _ in range(batches):
            self.stream.batch(self.position, ROWS)
            self.position += ROWS
        return batches * ROWS * LENGTH

    def tokens_alone(self, batches: int) -> int:
        """The same, without weights and documents."""
        for _ in range(batches):
            self.stream.tokens(self.position, ROWS)
            self.position += ROWS
        return batches * ROWS * LENGTH


def plain_webdataset(directory: Path) -> Callable[[], int]:
    """Return a run over all blocks in their order, as batches: neither mixed nor shuffled."""
    listed = Dataset.open(str(directory)).shards.select(["shard", "heldout"]).to_pylist()
    urls = [str(directory / row["shard"]) for row in listed if not row["heldout"]]

    def run() -> int:
        count, left = 0, np.empty(0, np.uint16)
        for sample in webdataset.WebDataset(urls, shardshuffle=False).decode():
            tokens = np.concatenate([left, sample["tokens.npy"]]) if len(left) else None
            tokens = sample["tokens.npy"] if tokens is None else tokens
            whole = len(tokens) // (ROWS * LENGTH)
            for batch in np.split(tokens[: whole * ROWS * LENGTH], whole) if whole else ():
                count += batch.astype(np.int64).reshape(ROWS, LENGTH).size
            left = tokens[whole * ROWS * LENGTH :]
        return count

    return run


def flat_memmap(work: str, batches: int) -> Callable[[], int]:
    """Return a run over the tokens of a flat file, from some place on, in their order."""
    flat = np.memmap(f"{work}/{GROUPS[0]}.npy", np.uint16, "r", offset=128)
    size = ROWS * LENGTH
    starts = [number * size for number in range(len(flat) // size)]

    def run() -> int:
        for number in range(batches):
            start = starts[number % len(starts)]
            flat[start : start + size].astype(np.int64).reshape(ROWS, LENGTH)
        return batches * size

    return run


def write_flat(directory: Path, work: str) -> None:
    """Write what the peers are given: the tokens of each group, an end token after each file."""
    opened = Dataset.open(str(directory))
    end = np.array([opened.tokenizer.control.end], np.uint16)
    for group in GROUPS:
        mine = [name for name in opened.components if name.startswith(f"{group}/")]
        pieces = [
            piece
            for name in mine
            for tokens in opened.component(name).read_documents()
            for piece in (tokens, end)
        ]
        np.save(f"{work}/{group}.npy", np.concatenate(pieces))


def peer_rate(name: str, directory: Path, work: str) -> float:
    """Return the median rate of a peer, in a process of its own: million tokens a second."""
    arguments = [str(directory), work] if name == "megatron-energon" else [work]
    found = float(median(ask(name, PEERS[name], *arguments)))
    say(f"{name}: {found:.4g} million tokens a second")
    return found


def measure(data: Path) -> Sequence[Claim]:
    """Take batches of 64 sequences of 2,048 tokens from each, page cache warm, one core."""
    directory = dataset(data).resolve()
    with tempfile.TemporaryDirectory() as work:
        write_flat(directory, work)
        clm, mixed = (Batches(directory, name, work) for name in ("clm", "codegen2"))
        alone, whole, corrupted, plain, flat = (
            value / 1e6
            for value in medians(
                RUNS,
                lambda: rate(lambda: clm.tokens_alone(BATCHES)),
                lambda: rate(lambda: clm.tokens(BATCHES)),
                lambda: rate(lambda: mixed.tokens(BATCHES)),
                lambda: rate(plain_webdataset(directory)),
                lambda: rate(flat_memmap(work, BATCHES)),
            )
        )
        peers = {name: peer_rate(name, directory, work) for name in PEERS}
    documents = mixed.stream.batch(0, min(mixed.plan.positions, 1 << 14)).segment_ids
    padded = 100 * float(np.mean(documents == PADDING))
    fastest = max(peers, key=peers.__getitem__)
    what = "million tokens a second, mixed and shuffled, on one core"
    ours = ("numpy", "numba")
    claims = [
        Claim(f"CLM, tokens alone, {what}: against the goal", alone, CLM, 1.0, ours),
        Claim(f"CLM with weights and documents, {what}: against the goal", whole, WHOLE, 1.0, ours),
        Claim(f"CodeGen2's mixture, {what}: against the goal", corrupted, CODEGEN2, 1.0, ours),
        Claim(
            f"CLM, {what}: beside plain webdataset, neither mixed nor shuffled",
            alone, plain, 1.3, ("webdataset",),
        ),
        Claim(
            f"CLM, {what}: beside a flat uint16 memmap as int64, neither mixed nor shuffled",
            alone, flat, 0.3, ("numpy",),
        ),
        Claim(
            "CodeGen2's mixture on the real sample: percent of positions that may be padding "
            "against those that are",
            PADDED, padded, 1.0, ours,
        ),
    ]  # fmt: skip
    for name, found in peers.items():
        goal = 2.0 if name == fastest else 1.0
        known = () if name == "mosaicml-streaming" else (name,)
        text = f"CLM, {what}: beside {name}, mixed and shuffled, too"
        claims.append(Claim(text, alone, found, goal, known))
    return claims


if __name__ == "__main__":
    main("benchmarks.stream", measure)
