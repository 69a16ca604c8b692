"""Measure the whole second job against datatrove's four MinHash stages, with two workers each.

Both have 14 bands of 8 rows over 5-grams of lower-case words: the profile `fineweb`, and
datatrove's defaults. datatrove reads a part of the sample, because it is slow; `stackpile dedup`
reads copies of the whole sample with seeded edits. The time of `stackpile dedup` is that of its
process from start to end. The time of datatrove is that of the stages, without imports and without
a writer. Both start from documents in Parquet files, which are not timed.
"""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.claims import Claim, main, medians, rate, say
from benchmarks.deduped import deduplicate, filter_texts
from benchmarks.edited import copies
from benchmarks.minhash_signatures import read_texts
from benchmarks.peers.environment import ask, versions

COPIES = int(os.environ.get("DEDUP_COPIES", "8"))
"""Copies of the sample of 103 MB. With fewer, the start of the process would dominate."""

PEER_BYTES = int(os.environ.get("DEDUP_PEER_MB", "60")) * 10**6
"""Bytes that datatrove reads, at about 1 MB/s."""

RUNS = int(os.environ.get("DEDUP_RUNS", "3"))

FILES = 4
"""Files of datatrove's input, which its tasks share."""

PACKAGES = ("apache-beam", "datasketch", "numba", "pyarrow")


def measure(data: Path) -> Sequence[Claim]:
    """Measure both jobs in turns."""
    texts = read_texts(data)
    with tempfile.TemporaryDirectory() as place:
        filtered = filter_texts(copies(texts, COPIES), Path(place, "ours"))
        size = int(filtered["totals"]["bytes"])
        few = write_few(texts, Path(place, "peer"))
        say(f"dedup: {size / 1e6:.0f} MB; datatrove {few / 1e6:.0f} MB")
        ours, peers = medians(
            RUNS,
            lambda: rate(lambda: dedup(Path(place, "ours"), size)) / 1e6,
            lambda: few / datatrove(Path(place, "peer")) / 1e6,
        )
    claim = f"dedup of {size / 1e6:.0f} MB, MB/s on two workers, against datatrove's four stages"
    return [Claim(claim, ours, peers, 50, PACKAGES, versions("datatrove"))]


def write_few(texts: Any, place: Path) -> int:
    """Write texts from all over the sample for datatrove, and return their bytes."""
    share = min(1.0, PEER_BYTES / texts.nbytes)
    few = texts.take(np.linspace(0, len(texts) - 1, int(share * len(texts))).astype(np.int64))
    documents = place / "documents"
    documents.mkdir(parents=True)
    for number in range(FILES):
        share_of_file = few.take(np.arange(number, len(few), FILES))
        ids = [str(i) for i in range(len(share_of_file))]
        table = pa.table({"id": ids, "text": share_of_file})
        pq.write_table(table, documents / f"{number}.parquet")
    return int(few.nbytes - 8 * (len(few) + 1))


def dedup(place: Path, size: int) -> int:
    """Run `stackpile dedup` and return `size`, the bytes of the texts."""
    done = deduplicate(place, "fineweb")
    say(f"dedup: {sum(done['rejected'].values())} of {done['totals']['documents_in']} are removed")
    return size


def datatrove(place: Path) -> float:
    """Run datatrove on documents/, and return its seconds."""
    work = place / "work"
    shutil.rmtree(work, ignore_errors=True)
    arguments = str(place / "documents"), str(work), str(FILES)
    result = ask("datatrove", "datatrove_minhash", *arguments)
    say(f"dedup: datatrove, {result['seconds']:.1f} s, {result['removed']:.0f} are removed")
    return float(result["seconds"])


if __name__ == "__main__":
    main("benchmarks.dedup", measure)
