"""datatrove's four MinHash stages over a directory of Parquet files, by two workers.

Run by the Python of its own environment: DOCUMENTS WORK FILES. The settings are datatrove's own:
5-grams, 14 buckets of 8 hashes, 64-bit xxhash, English words. The last line printed is a JSON
object. Imports are not timed, and what stays is counted but not written.
"""

import json
import sys
import time

from datatrove.pipeline.dedup.minhash import MinhashDedupFilter
from datatrove.pipeline.readers import ParquetReader

from benchmarks.peers.datatrove_stages import minhash, run


def main(documents: str, work: str, files: int) -> None:
    """Run the four stages."""
    reader = ParquetReader(documents, read_metadata=False)
    start = time.perf_counter()
    last = [reader, MinhashDedupFilter(f"{work}/remove")], files
    counted = run([*minhash(reader, work, files), last], work)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "removed": counted["dropped"].total}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
