"""Measure mixed and shuffled batches on one core beside other loaders and a ceiling.

The ceiling is a flat memmap of uint16 tokens that becomes batches in its order: int64 tokens alone,
or with the other arrays of a batch, constant. Its tokens are neither mixed nor shuffled.
"""

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
from manifests.mixture.config import load_mixture
from manifests.mixture.mixture import make_mixture
from objectives.stream.plan import make_plan
from objectives.stream.stream import Stream
from objectives.tasks.batch import PADDING

RUNS, BATCHES = 7, 400

ALONE, WHOLE, CODEGEN2 = 0.3, 0.3, 0.25
"""Goals, as shares of the ceiling."""
PEERS_GOAL = 3.0
"""Goal of whole batches of CodeGen2's mix, as a multiple of the fastest peer's rate."""

PADDED = 0.7
"""Largest share of positions that are padding, in percent."""
PEERS = {
    "litdata": "litdata_stream",
    "megatron-energon": "energon_stream",
    "mosaicml-streaming": "mosaicml_stream",
}


class Batches:
    """Reads the batches of a stream, one after the other."""

    def __init__(self, directory: Path, objective: str, work: str) -> None:
        """Mix the groups half and half, and read an epoch, so that every block is checked."""
        mixture = f"{work}/{objective}.toml"
        weights = {group: 1 / len(GROUPS) for group in GROUPS}
        make_mixture([str(directory)], weights, epochs=100, out=mixture)
        self.plan = make_plan(load_mixture(mixture), objective, batch=ROWS)
        self.stream, self.position = Stream.open(self.plan), 0
        epoch = sum(component.addresses for component in self.plan.components)
        while self.position * LENGTH < 3 * epoch:
            self.tokens(BATCHES)

    def tokens(self, batches: int) -> int:
        """Read whole batches; return the number of their tokens."""
        for _ in range(batches):
            self.stream.batch(self.position, ROWS)
            self.position += ROWS
        return batches * ROWS * LENGTH

    def tokens_alone(self, batches: int) -> int:
        """Read the tokens of batches; return their number."""
        for _ in range(batches):
            self.stream.tokens(self.position, ROWS)
            self.position += ROWS
        return batches * ROWS * LENGTH


def plain_webdataset(directory: Path) -> Callable[[], int]:
    """Return a run that makes batches of all blocks in their order."""
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


def flat_memmap(path: str, batches: int, *, whole: bool) -> Callable[[], int]:
    """Return a run that makes batches of a flat uint16 file, in its order: the ceiling.

    Args:
        path: of an .npy file of tokens.
        batches: how many batches a run makes.
        whole: whether to write loss weights and segment ids too, all ones and zeros.
    """
    flat = np.memmap(path, np.uint16, "r", offset=128)
    size = ROWS * LENGTH
    starts = [number * size for number in range(len(flat) // size)]

    def run() -> int:
        for number in range(batches):
            start = starts[number % len(starts)]
            flat[start : start + size].astype(np.int64).reshape(ROWS, LENGTH)
            if whole:
                np.full((ROWS, LENGTH), 1, np.float32)
                np.full((ROWS, LENGTH), 0, np.int32)
        return batches * size

    return run


def write_flat(directory: Path, work: str) -> None:
    """Write the tokens of each group, with an end token after each file, for the peers."""
    opened = Dataset.open(str(directory))
    end = np.array([opened.tokenizer.control.end], np.uint16)
    for group in GROUPS:
        names = [name for name in opened.components if name.startswith(f"{group}/")]
        pieces = [
            piece
            for name in names
            for tokens in opened.component(name).read_documents()
            for piece in (tokens, end)
        ]
        np.save(f"{work}/{group}.npy", np.concatenate(pieces))


def peer_rate(name: str, directory: Path, work: str) -> float:
    """Return the median rate of a peer, in a process of its own: million tokens a second."""
    arguments = [str(directory), work] if name == "megatron-energon" else [work]
    rate_of_peer = float(median(ask(name, PEERS[name], *arguments)))
    say(f"{name}: {rate_of_peer:.4g} million tokens a second")
    return rate_of_peer


def measure(data: Path) -> Sequence[Claim]:
    """Read batches of 64 sequences of 2,048 tokens from each, with a warm page cache."""
    directory = dataset(data).resolve()
    with tempfile.TemporaryDirectory() as work:
        write_flat(directory, work)
        flat_file = f"{work}/{GROUPS[0]}.npy"
        clm, mixed = (Batches(directory, name, work) for name in ("clm", "codegen2"))
        alone, whole, corrupted, plain, flat, ceiling = (
            value / 1e6
            for value in medians(
                RUNS,
                lambda: rate(lambda: clm.tokens_alone(BATCHES)),
                lambda: rate(lambda: clm.tokens(BATCHES)),
                lambda: rate(lambda: mixed.tokens(BATCHES)),
                lambda: rate(plain_webdataset(directory)),
                lambda: rate(flat_memmap(flat_file, BATCHES, whole=False)),
                lambda: rate(flat_memmap(flat_file, BATCHES, whole=True)),
            )
        )
        peers = {name: peer_rate(name, directory, work) for name in PEERS}
    documents = mixed.stream.batch(0, min(mixed.plan.positions, 1 << 14)).segment_ids
    padded = 100 * float(np.mean(documents == PADDING))
    fastest = max(peers, key=peers.__getitem__)
    what = "million tokens a second, mixed and shuffled, on one core"
    memmap = "a flat uint16 memmap as int64 with constant weights and segment ids"
    ours = ("numpy", "numba")
    claims = [
        Claim(f"CLM, whole batches, {what}: beside {memmap}", whole, ceiling, WHOLE, ours),
        Claim(f"CodeGen2's mix, {what}: beside {memmap}", corrupted, ceiling, CODEGEN2, ours),
        Claim(
            f"CLM, tokens alone, {what}: beside plain webdataset, in its order",
            alone, plain, 1.3, ("webdataset",),
        ),
        Claim(
            f"CLM, tokens alone, {what}: beside a flat uint16 memmap as int64, in its order",
            alone, flat, ALONE, ours,
        ),
        Claim(
            "CodeGen2's mix: percent of positions that may be padding against those that are",
            PADDED, padded, 1.0, ours,
        ),
    ]  # fmt: skip
    claims.append(
        Claim(
            f"CodeGen2's mix, whole batches, {what}: beside tokens alone of the fastest of "
            f"{', '.join(PEERS)}, which is {fastest}",
            corrupted,
            peers[fastest],
            PEERS_GOAL,
            ours,
        )
    )
    for name, peer in peers.items():
        goal = 2.0 if name == fastest else 1.0
        known = () if name == "mosaicml-streaming" else (name,)
        text = f"CLM, tokens alone, {what}: beside {name}, mixed and shuffled too"
        claims.append(Claim(text, alone, peer, goal, known))
    return claims


if __name__ == "__main__":
    main("benchmarks.stream", measure)
