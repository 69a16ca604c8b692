"""datatrove from Parquet files to tokens: read, filter, four MinHash stages, tokenize.

Run by the Python of its own environment: DOCUMENTS WORK FILES TOKENIZER. Its filters of words and
sentences (Gopher's, C4's, FineWeb's) would reject most code, and cost it more than a third of its
time; in their place stand, as a LambdaFilter, The Stack's rules: the longest line, the mean line,
the share of letters and digits. MinHash is as it comes. The last line printed is a JSON object.
Imports are not timed, the four things that it does are.
"""

import json
import sys
import time

from datatrove.data import Document
from datatrove.pipeline.dedup.minhash import MinhashDedupFilter
from datatrove.pipeline.filters import LambdaFilter
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.tokens import DocumentTokenizer
from datatrove.pipeline.writers import ParquetWriter

from benchmarks.peers.datatrove_stages import minhash, run


def is_kept(document: Document) -> bool:
    """Tell whether The Stack's three rules keep a document (bigcode-dataset, its README)."""
    text = document.text
    lines = text.split("\n")
    longest = max(map(len, lines))
    alphanumeric = sum(map(str.isalnum, text))
    return longest <= 1000 and len(text) <= 100 * len(lines) and alphanumeric >= 0.25 * len(text)


def main(documents: str, work: str, files: int, tokenizer: str) -> None:
    """Run all stages."""
    start = time.perf_counter()
    raw = ParquetReader(documents, text_key="content", id_key="hexsha", read_metadata=False)
    kept = ParquetReader(f"{work}/kept", read_metadata=False)
    tokenize = DocumentTokenizer(f"{work}/tokens", tokenizer, shuffle_documents=False)
    stages = [
        ([raw, LambdaFilter(is_kept), ParquetWriter(f"{work}/kept")], files),
        *minhash(kept, work, files),
        ([kept, MinhashDedupFilter(f"{work}/remove"), tokenize], files),
    ]
    counted = run(stages, work)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "tokens": counted["tokens"].total}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
