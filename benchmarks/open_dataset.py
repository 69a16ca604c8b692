"""Opening and inspecting a dataset of 100,000 shards.

Only the tables over the shards exist, because opening and inspecting read no shard. Opening is
compared with reading the same files by json, hashlib, pyarrow and numpy. `stackpile inspect` is
compared with the same command on a dataset with one shard for each component.
"""

import hashlib
import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.claims import ROOT, Claim, main, medians, say
from manifests.dataset.dataset import Dataset
from manifests.dataset.shard_index import SHARD_TABLE, SHARDS
from manifests.io import files
from manifests.lineage.manifest import (
    FILE,
    ComponentTotals,
    Manifest,
    TokenizerRecord,
    Totals,
    save_manifest,
)
from manifests.lineage.receipts import ComponentFunnel
from manifests.shards import block_table
from manifests.shards.writer import BLOCK_TOKENS
from manifests.special_tokens import SpecialTokens

SHARD_COUNT = 100_000
COMPONENTS = 400
"""Ours: The Stack has 358 languages, the Pile 22 sets."""
BLOCKS = 20
"""Blocks of a shard, each of 2^18 tokens: half a trillion tokens in total."""
DOCUMENTS = 250
"""Documents of a block."""
RUNS = 5
OPENING_GOAL = 0.25
"""Ours: opening checks the manifest, the tables and all components, so it may take four times as
long as reading the files."""
INSPECTING_GOAL = 0.8
"""Ours: `inspect` reads only the manifest, whose size does not depend on the number of shards."""


def make(directory: Path, shards: int = SHARD_COUNT, languages: int = COMPONENTS) -> None:
    """Write the manifest, shards.parquet and block table of a dataset without shards."""
    per = shards // languages
    names = [f"the-stack/language-{number:03d}" for number in range(languages)]
    sums = [hashlib.sha256(number.to_bytes(4, "little")).hexdigest() for number in range(shards)]
    rows = {
        "shard": [
            f"shards/{names[i // per]}-{i % per:05d}-{sums[i][:8]}.tar" for i in range(shards)
        ],
        "component": [names[i // per] for i in range(shards)],
        "heldout": [False] * shards,
        "bytes": [BLOCKS * (2 * BLOCK_TOKENS + 4096)] * shards,
        "blocks": [BLOCKS] * shards,
        "documents": [BLOCKS * DOCUMENTS] * shards,
        "tokens": [BLOCKS * BLOCK_TOKENS] * shards,
        "sha256": sums,
        "table_sha256": sums,
    }
    buffer = io.BytesIO()
    pq.write_table(pa.table(rows, schema=SHARDS), buffer, compression="zstd")
    files.write_bytes(str(directory / SHARD_TABLE), buffer.getvalue())
    table = np.zeros(shards * BLOCKS, dtype=block_table.BLOCK)
    table["shard"] = np.repeat(np.arange(shards), BLOCKS)
    table["documents"], table["tokens"] = DOCUMENTS, BLOCK_TOKENS
    files.write_bytes(str(directory / block_table.FILE), table.tobytes())
    save_manifest(str(directory), _manifest(directory, names, sums, per))


def _manifest(directory: Path, names: Sequence[str], sums: Sequence[str], per: int) -> Manifest:
    components = {
        name: ComponentTotals(
            documents=per * BLOCKS * DOCUMENTS,
            tokens=per * BLOCKS * BLOCK_TOKENS,
            bytes=per * BLOCKS * BLOCK_TOKENS * 4,
            shards=per,
            blocks=per * BLOCKS,
            digest=hashlib.sha256(
                b"".join(map(bytes.fromhex, sums[number * per : (number + 1) * per]))
            ).hexdigest(),
        )
        for number, name in enumerate(names)
    }
    one = components[names[0]]
    funnel = ComponentFunnel(
        documents_in=one.documents,
        bytes_in=one.bytes,
        documents=one.documents,
        bytes=one.bytes,
        tokens=one.tokens,
    )
    whole = {
        field: getattr(one, field) * len(names)
        for field in ("documents", "bytes", "tokens", "shards", "blocks")
    }
    return Manifest(
        step="tokenize",
        digest="0" * 64,
        config={},
        totals=Totals(
            parts=per * len(names),
            documents_in=whole["documents"],
            bytes_in=whole["bytes"],
            **whole,
        ),
        funnel={"the-stack": dict.fromkeys(names, funnel)},
        tables={
            name: files.sha256(str(directory / name)) for name in (SHARD_TABLE, block_table.FILE)
        },
        tokenizer=TokenizerRecord(
            sha256="0" * 64,
            vocabulary=51200,
            dtype="uint16",
            control=SpecialTokens(
                end=50256, sep=50299, eom=50300, mask_1=51199, masks=899, vocabulary=51200
            ),
        ),
        components=components,
    )


def measure(data: Path) -> Sequence[Claim]:
    """Open the dataset with all its components, and run `stackpile inspect` on it."""
    with tempfile.TemporaryDirectory() as place:
        directory, small = Path(place) / "tokenize-large", Path(place) / "tokenize-small"
        say(f"making the tables of {SHARD_COUNT:,} shards, {SHARD_COUNT * BLOCKS:,} blocks")
        make(directory)
        make(small, shards=COMPONENTS)

        def opening() -> float:
            start = time.perf_counter()
            dataset = Dataset.open(str(directory))
            if sum(dataset.component(name).tokens for name in dataset.components) == 0:
                raise AssertionError("the dataset is empty")
            return time.perf_counter() - start

        def reading() -> float:
            start = time.perf_counter()
            json.loads((directory / FILE).read_bytes())
            content = (directory / SHARD_TABLE).read_bytes()
            hashlib.sha256(content)
            pq.read_table(io.BytesIO(content))
            table = np.fromfile(directory / block_table.FILE, block_table.BLOCK)
            if len(table) != SHARD_COUNT * BLOCKS:
                raise AssertionError("the block table is not whole")
            return time.perf_counter() - start

        opened, read, inspected, inspected_small = medians(
            RUNS,
            opening,
            reading,
            lambda: _inspect(directory, SHARD_COUNT),
            lambda: _inspect(small, COMPONENTS),
        )
    what = f"a dataset of {SHARD_COUNT:,} shards and {COMPONENTS} components"
    return [
        Claim(
            f"opening {what}: seconds to read its files against seconds to open it",
            read,
            opened,
            OPENING_GOAL,
            ("numpy", "pyarrow"),
        ),
        Claim(
            f"`stackpile inspect` from the shell, seconds: {COMPONENTS} shards against {what}",
            inspected_small,
            inspected,
            INSPECTING_GOAL,
            ("pydantic",),
        ),
    ]


def _inspect(directory: Path, shards: int) -> float:
    """Return the seconds of `stackpile inspect`."""
    command = [sys.executable, "-m", "stackpile", "inspect", str(directory), "--json"]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    seconds = time.perf_counter() - start
    if json.loads(done.stdout)["totals"]["shards"] != shards:
        raise AssertionError("inspect does not count all shards")
    return seconds


if __name__ == "__main__":
    main("benchmarks.open_dataset", measure)
