"""Measure the start and the reach of a stream over 100,000 shards and a trillion tokens.

One shard is written, and all others are links to it, so the shards that are read and the tables
over the shards are real. The figures are those of a process of its own, in which a small stream of
the same kind has loaded imports and compiled functions. The ceiling of the start is to read and
hash the same tables without interpretation, in the same process.
"""

import hashlib
import json
import logging
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.claims import ROOT, Claim, main, say
from manifests.dataset.writer import DatasetShard, ShardRecord, finish_dataset
from manifests.io import files
from manifests.lineage.manifest import Manifest, TokenizerRecord, Totals, save_manifest
from manifests.lineage.receipts import ComponentFunnel
from manifests.mixture.config import load_mixture
from manifests.mixture.mixture import make_mixture
from manifests.special_tokens import SpecialTokens
from objectives.stream.plan import make_plan
from objectives.stream.stream import Stream

SHARDS, COMPONENTS = 100_000, 100
TOKENS = 10_000_000
"""Tokens of a shard; a trillion in all."""
ROWS = 64
FAR = 10**9
"""A position; a trillion tokens end at about half of it."""
TRIES = 9
START, MEMORY = 0.2, 0.4
"""Goals of ratios that `measure` returns."""
FAR_MORE = 5.0
"""Milliseconds that a batch at position FAR may take more than one at position 0."""
OBJECTIVES: Mapping[str, dict[str, Any]] = {
    "codegen2": {},
    "causal_masking": {},
    "fim": {"fim": {"level": "token", "sentinels": [50295, 50296, 50297]}},
    "ul2": {},
}
"""Objectives, with their settings, of which a far batch is measured. codegen2 is also started."""


def make(directory: Path, shards: int, components: int) -> None:
    """Write a dataset whose shards are links to one."""
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
            **summary.sizes,
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


def start(directory: Path, objective: str = "codegen2") -> Stream:
    """Mix, plan and open: everything before the first batch."""
    mixture = files.join(str(directory), "MIX.toml")
    make_mixture([str(directory)], {"the-stack": 1.0}, epochs=1, out=mixture)
    settings = OBJECTIVES[objective]
    plan = make_plan(load_mixture(mixture), objective, batch=ROWS, settings=settings)
    return Stream.open(plan)


def read_tables(directory: Path) -> int:
    """Read and hash the tables over the shards, without interpretation; return their bytes."""
    pq.read_table(directory / "shards.parquet")
    contents = [(directory / name).read_bytes() for name in ("shards.parquet", "blocks.bin")]
    for content in contents:
        hashlib.sha256(content).digest()
    return sum(map(len, contents))


def child(small: Path, large: Path) -> dict[str, Any]:
    """Measure in this process: seconds, milliseconds, megabytes, and the slowest objective."""
    # The small dataset is below the planned batch; its warnings do not matter here.
    logging.disable()
    start(small).batch(0, ROWS)
    before = _memory("VmRSS")
    clock = time.perf_counter()
    tables = read_tables(large)
    read = time.perf_counter() - clock
    clock = time.perf_counter()
    stream = start(large)
    stream.batch(0, ROWS)
    first = time.perf_counter() - clock
    memory = _memory("VmHWM") - before
    more = {name: far_and_near(start(large, name)) for name in OBJECTIVES}
    slowest = max(more, key=lambda name: more[name][0] - more[name][1])
    return {
        "read": read,
        "tables": tables / 1e6,
        "first": first,
        "slowest": slowest,
        "far": more[slowest][0],
        "near": more[slowest][1],
        "memory": memory,
    }


def far_and_near(stream: Stream) -> tuple[float, float]:
    """Return the milliseconds of a batch at position FAR, and of one at position 0."""
    group = stream.plan.group

    def batch_at(position: int) -> float:
        clock = time.perf_counter()
        stream.batch(position, ROWS)
        return 1000 * (time.perf_counter() - clock)

    # Each batch is in a group of its own, so that all of its units are read and checked.
    near, far = list[float](), list[float]()
    for number in range(1, TRIES + 1):
        near.append(batch_at(number * group))
        far.append(batch_at(FAR // group * group + number * group))
    return statistics.median(far), statistics.median(near)


def _memory(field: str) -> float:
    """Return a memory figure of this process, in megabytes."""
    [kilobytes] = re.findall(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.M)
    return int(kilobytes) / 1000


def measure(_: Path) -> Sequence[Claim]:
    """Make the datasets, and measure in a new process."""
    with tempfile.TemporaryDirectory() as place:
        small, large = Path(place) / "small", Path(place) / "large"
        make(small, 2, 1)
        say(f"making a dataset of {SHARDS:,} shards")
        make(large, SHARDS, COMPONENTS)
        command = [sys.executable, "-m", "benchmarks.stream_scale", str(small), str(large)]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
        took = json.loads(done.stdout)
    what = f"mixture of {SHARDS:,} shards and a trillion tokens"
    packages = ("numpy", "numba", "pyarrow")
    return [
        Claim(
            f"{what}: seconds to read and hash the tables over the shards, beside seconds to mix, "
            "plan, open and make the first batch",
            took["read"], took["first"], START, packages,
        ),
        Claim(
            f"{what}: milliseconds that a batch at position 10^9 may take more than one at 0, "
            f"beside those that it takes, of {', '.join(OBJECTIVES)} ({took['slowest']}: "
            f"{took['near']:.2f} at 0)",
            FAR_MORE, max(0.0, took["far"] - took["near"]), 1.0, packages,
        ),
        Claim(
            f"{what}: megabytes of the tables beside peak memory above that of imports",
            took["tables"], took["memory"], MEMORY, packages,
        ),
    ]  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) == 3 and not sys.argv[1].startswith("-"):
        print(json.dumps(child(Path(sys.argv[1]), Path(sys.argv[2]))))
    else:
        main("benchmarks.stream_scale", measure)
