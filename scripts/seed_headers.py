"""Write filters/scancode/tables/seed.jsonl.gz: ScanCode's matches of the commonest legal passages.

    python scripts/seed_headers.py 'stack/data/*/*.parquet' 'starcoderdata/*/*.parquet'

Every text is a passage, normalized as by the license filter. This machine's detector detects the
texts. The seed holds the texts in descending order of the number of files that hold them.
"""

import argparse
import gzip
import io
from collections import Counter
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from filters.scancode import veto
from filters.scancode.cache import SEED, cache_name, line_of, text_key
from filters.scancode.client import Detector
from manifests.io import files


def texts(patterns: list[str], column: str) -> Iterator[pa.Array]:
    """Yield the texts of Parquet files, a row group at a time."""
    for pattern in patterns:
        for url in files.glob(pattern):
            with files.open_input(url) as source:
                for batch in pq.ParquetFile(source).iter_batches(1024, columns=[column]):
                    yield batch.column(0).cast(pa.large_string())


def main() -> None:
    """Count, detect, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("patterns", nargs="+")
    parser.add_argument("--column", default="content")
    parser.add_argument("--min-files", type=int, default=2, help="files that hold a text")
    parser.add_argument("--max-texts", type=int, default=20000)
    options = parser.parse_args()
    counted: Counter[bytes] = Counter()
    for array in texts(options.patterns, options.column):
        for stated in veto.statements(array).values():
            counted.update({statement.text for statement in stated if statement.text})
    common = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    common_texts = [text for text, count in common if count >= options.min_files][
        : options.max_texts
    ]
    answer = Detector().detect(common_texts)
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, filename="") as output:
        output.write(cache_name().encode() + b"\n")
        for text, result in zip(common_texts, answer.found, strict=True):
            if result is not None:
                output.write(line_of(text_key(text), result))
    files.write_bytes(str(SEED), buffer.getvalue())
    print(f"{len(common_texts)} of {len(counted)} texts, {len(buffer.getvalue())} bytes in {SEED}")


if __name__ == "__main__":
    main()
