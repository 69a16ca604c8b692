"""Opening a dataset of 100,000 shards, and telling what is inside: within a second each.

Only what lies over the shards is made, for nothing else is read: the size of a shard is checked
when it is first touched.
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
from manifests.dataset.shard_index import SHARD_TABLE
from manifests.io import files
from manifests.lineage.manifest import (
    ComponentTotals,
    Manifest,
    TokenizerRecord,
    Totals,
    save_manifest,
)
from manifests.lineage.receipts import ComponentFunnel
from manifests.schemas import SHARDS
from manifests.shards import block_table
from manifests.shards.writer import BLOCK_TOKENS
from manifests.special_tokens import SpecialTokens

SHARD_COUNT = 100_000
COMPONENTS = 400
"""The Stack has 358 languages, the Pile 22 sets."""
BLOCKS = 20
"""Blocks of a shard, each of 2^18 tokens: half a trillion tokens in all."""
DOCUMENTS = 250
"""Documents of a block."""
RUNS = 5
LIMIT = 1.0
"""Seconds: the goal."""


def make(directory: Path) -> None:
    """Write the manifest, shards.parquet and block table of a dataset that has no shards."""
    per = SHARD_COUNT // COMPONENTS
    names = [f"the-stack/language-{number:03d}" for number in range(COMPONENTS)]
    sums = [
        hashlib.sha256(number.to_bytes(4, "little")).hexdigest() for number in range(SHARD_COUNT)
    ]
    rows = {
        "shard": [
            f"shards/{names[i // per]}-{i % per:05d}-{sums[i][:8]}.tar" for i in range(SHARD_COUNT)
        ],
        "component": [names[i // per] for i in range(SHARD_COUNT)],
        "heldout": [False] * SHARD_COUNT,
        "bytes": [BLOCKS * (2 * BLOCK_TOKENS + 4096)] * SHARD_COUNT,
        "blocks": [BLOCKS] * SHARD_COUNT,
        "documents": [BLOCKS * DOCUMENTS] * SHARD_COUNT,
        "tokens": [BLOCKS * BLOCK_TOKENS] * SHARD_COUNT,
        "sha256": sums,
        "table_sha256": sums,
    }
    buffer = io.BytesIO()
    pq.write_table(pa.table(rows, schema=SHARDS), buffer, compression="zstd")
    files.write_bytes(str(directory / SHARD_TABLE), buffer.getvalue())
    table = np.zeros(SHARD_COUNT * BLOCKS, dtype=block_table.BLOCK)
    table["shard"] = np.repeat(np.arange(SHARD_COUNT), BLOCKS)
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
        field: getattr(one, field) * COMPONENTS
        for field in ("documents", "bytes", "tokens", "shards", "blocks")
    }
    return Manifest(
        step="tokenize",
        digest="0" * 64,
        config={},
        totals=Totals(
            parts=SHARD_COUNT, documents_in=whole["documents"], bytes_in=whole["bytes"], **whole
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
    """Open the dataset with all of its components; run `stackpile inspect` on it."""
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place) / "tokenize-large"
        say(f"making the tables of {SHARD_COUNT:,} shards, {SHARD_COUNT * BLOCKS:,} blocks")
        make(directory)

        def opening() -> float:
            start = time.perf_counter()
            dataset = Dataset.open(str(directory))
            if sum(dataset.component(name).tokens for name in dataset.components) == 0:
                raise AssertionError("the dataset is empty")
            return time.perf_counter() - start

        def inspecting() -> float:
            command = [sys.executable, "-m", "stackpile", "inspect", str(directory), "--json"]
            start = time.perf_counter()
            done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
            seconds = time.perf_counter() - start
            if json.loads(done.stdout)["totals"]["shards"] != SHARD_COUNT:
                raise AssertionError("inspect does not tell all shards")
            return seconds

        opened, inspected = medians(RUNS, opening, inspecting)
    what = f"a dataset of {SHARD_COUNT:,} shards and {COMPONENTS} components"
    return [
        Claim(
            f"opening {what}: seconds allowed against seconds taken",
            LIMIT,
            opened,
            1.0,
            ("numpy", "pyarrow"),
        ),
        Claim(
            f"`stackpile inspect` of {what}, from the shell: seconds allowed against seconds taken",
            LIMIT,
            inspected,
            1.0,
            ("pydantic",),
        ),
    ]


if __name__ == "__main__":
    main("benchmarks.open_dataset", measure)
