"""A stream over 100,000 shards and a trillion tokens: how soon it starts, how far it can go.

One shard is written, and all are links to it: what is read is real, and so are the tables that lie
over the shards. The figures are those of a process of its own, its imports and compiled functions
loaded before by a small stream of the same kind.
"""

import json
import logging
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.claims import ROOT, Claim, main, say
from manifests.dataset.writer import DatasetShard, ShardRecord, finish_dataset
from manifests.io import files
from manifests.lineage.manifest import Manifest, TokenizerRecord, Totals, save_manifest
from manifests.lineage.receipts import ComponentFunnel
from manifests.mixture.mixture import load_mixture, make_mixture
from manifests.special_tokens import SpecialTokens
from objectives.stream.plan import make_plan
from objectives.stream.stream import Stream

SHARDS, COMPONENTS = 100_000, 100
TOKENS = 10_000_000
"""Of a shard: a trillion in all."""
ROWS = 64
FAR = 10**9
"""A position; a trillion tokens end at half of it."""
TRIES = 9
FIRST, MORE, MEMORY = 2.0, 5.0, 200.0
"""Seconds, milliseconds, megabytes: the goals."""


def make(directory: Path, shards: int, components: int) -> None:
    """Write a dataset whose shards are all one."""
    names = [f"the-stack/language-{number:03d}" for number in range(components)]
    record = _write_shard(directory, f"shards/{names[0]}-00000-0123abcd.tar", names[0])
    records = [record]
    for number in range(1, shards):
        name = names[number * components // shards]
        path = f"shards/{name}-{number:05d}-0123abcd.tar"
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).symlink_to(directory / record.shard)
        records.append(record.model_copy(update={"shard": path, "component": name}))
    summary = finish_dataset(str(directory), records)
    funnel = {
        name: ComponentFunnel(
            documents_in=total.documents,
            bytes_in=total.bytes,
            documents=total.documents,
            bytes=total.bytes,
            tokens=total.tokens,
        )
        for name, total in summary.components.items()
    }
    size = sum(total.bytes for total in summary.components.values())
    control = SpecialTokens(
        end=50256, sep=50299, eom=50300, mask_1=51199, masks=899, vocabulary=51200
    )
    manifest = Manifest(
        step="tokenize",
        digest="0" * 64,
        config={},
        totals=Totals(
            parts=shards,
            documents_in=summary.documents,
            bytes_in=size,
            documents=summary.documents,
            bytes=size,
            tokens=summary.tokens,
            shards=summary.shards,
            blocks=summary.blocks,
        ),
        funnel={"the-stack": funnel},
        tables=summary.tables,
        tokenizer=TokenizerRecord(
            sha256="0" * 64, vocabulary=control.vocabulary, dtype="uint16", control=control
        ),
        components=summary.components,
    )
    save_manifest(str(directory), manifest)


def _write_shard(directory: Path, path: str, component: str) -> ShardRecord:
    generator = np.random.default_rng(0)
    left = TOKENS
    with DatasetShard(str(directory), path, component, heldout=False, dtype="uint16") as shard:
        while left:
            size = min(left, int(generator.lognormal(6, 1.3)) + 1)
            tokens = generator.integers(0, 50_000, size, dtype=np.uint16)
            shard.add(
                tokens,
                id=bytes(16),
                text_hash=bytes(16),
                repositories=[],
                path="a",
                license=None,
                text_bytes=4 * size,
            )
            left -= size
        return shard.close()


def start(directory: Path) -> Stream:
    """Do all that comes before the first batch."""
    mixture = files.join(str(directory), "MIX.toml")
    make_mixture([str(directory)], {"the-stack": 1.0}, epochs=1, out=mixture)
    plan = make_plan(load_mixture(mixture), "codegen2", batch=ROWS)
    return Stream.open(plan)


def child(small: Path, large: Path) -> dict[str, float]:
    """Measure in this process: seconds, milliseconds, megabytes."""
    # What the tables are too small for is not what is measured.
    logging.disable()
    start(small).batch(0, ROWS)
    before = _memory("VmRSS")
    clock = time.perf_counter()
    stream = start(large)
    stream.batch(0, ROWS)
    first = time.perf_counter() - clock
    group = stream.plan.group

    def batch_at(position: int) -> float:
        clock = time.perf_counter()
        stream.batch(position, ROWS)
        return 1000 * (time.perf_counter() - clock)

    # Each in a group of its own, so that all of its units are read and checked.
    near, far = [], []
    for number in range(1, TRIES + 1):
        near.append(batch_at(number * group))
        far.append(batch_at(FAR // group * group + number * group))
    return {
        "first": first,
        "near": statistics.median(near),
        "far": statistics.median(far),
        "memory": _memory("VmHWM") - before,
    }


def _memory(field: str) -> float:
    """Return what this process takes, or took at most, in megabytes."""
    [kilobytes] = re.findall(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.M)
    return int(kilobytes) / 1000


def measure(_: Path) -> Sequence[Claim]:
    """Make the datasets, and measure in a process that has not seen them."""
    with tempfile.TemporaryDirectory() as place:
        small, large = Path(place) / "small", Path(place) / "large"
        make(small, 2, 1)
        say(f"making a dataset of {SHARDS:,} shards")
        make(large, SHARDS, COMPONENTS)
        command = [sys.executable, "-m", "benchmarks.stream_scale", str(small), str(large)]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
        found = json.loads(done.stdout)
    say(f"a batch at position 0 takes {found['near']:.1f} ms, at 10^9 {found['far']:.1f} ms")
    more = max(found["far"] - found["near"], 0.01)
    what = f"mixture of {SHARDS:,} shards and a trillion tokens"
    packages = ("numpy", "numba")
    return [
        Claim(
            f"{what}: mixing, planning, opening and the first batch, seconds allowed against taken",
            FIRST,
            found["first"],
            1.0,
            packages,
        ),
        Claim(
            f"{what}: a batch at position 10^9 beside one at 0, milliseconds more that are allowed "
            "against taken",
            MORE,
            more,
            1.0,
            packages,
        ),
        Claim(
            f"{what}: memory above imports, megabytes allowed against taken",
            MEMORY,
            found["memory"],
            1.0,
            packages,
        ),
    ]


if __name__ == "__main__":
    if len(sys.argv) == 3 and not sys.argv[1].startswith("-"):
        print(json.dumps(child(Path(sys.argv[1]), Path(sys.argv[2]))))
    else:
        main("benchmarks.stream_scale", measure)
