"""The whole second job against datatrove's four MinHash stages, two workers each.

14 bands of 8 rows over 5-grams of lower-case words on both sides: our profile `fineweb`, and
datatrove as it comes. datatrove, which is slow, reads files spread over the sample; ours reads
copies of all of it, with seeded edits in each. Timed are, of ours, `stackpile dedup` from the
start of its process to the end of it; of datatrove, the stages alone, after its imports, and
without a writer. Not timed is what both start from: documents as Parquet, of ours as the license
filter leaves them.
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
"""Of the sample's 103 MB: more than the 300 MB that were asked for, for a job's start counts."""

PEER_BYTES = int(os.environ.get("DEDUP_PEER_MB", "60")) * 10**6
"""What datatrove reads: it does about 1 MB/s."""

RUNS = int(os.environ.get("DEDUP_RUNS", "3"))

FILES = 4
"""Of datatrove's input: each of its tasks reads some."""

PACKAGES = ("apache-beam", "datasketch", "numba", "pyarrow")


def measure(data: Path) -> Sequence[Claim]:
    """Measure both in turns."""
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
    """Write files for datatrove, spread over the sample, and return their bytes."""
    share = min(1.0, PEER_BYTES / texts.nbytes)
    few = texts.take(np.linspace(0, len(texts) - 1, int(share * len(texts))).astype(np.int64))
    documents = place / "documents"
    documents.mkdir(parents=True)
    for number in range(FILES):
        mine = few.take(np.arange(number, len(few), FILES))
        table = pa.table({"id": [str(i) for i in range(len(mine))], "text": mine})
        pq.write_table(table, documents / f"{number}.parquet")
    return int(few.nbytes - 8 * (len(few) + 1))


def dedup(place: Path, size: int) -> int:
    """Deduplicate, and return the bytes of the texts."""
    done = deduplicate(place, "fineweb")
    say(f"dedup: {sum(done['rejected'].values())} of {done['totals']['documents_in']} go")
    return size


def datatrove(place: Path) -> float:
    """Run datatrove from nothing but documents/, and return its seconds."""
    work = place / "work"
    shutil.rmtree(work, ignore_errors=True)
    given = str(place / "documents"), str(work), str(FILES)
    said = ask("datatrove", "datatrove_minhash", *given)
    say(f"dedup: datatrove, {said['seconds']:.1f} s, {said['removed']:.0f} go")
    return float(said["seconds"])


if __name__ == "__main__":
    main("benchmarks.dedup", measure)
