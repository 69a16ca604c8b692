"""Make filters/scancode/tables/seed.jsonl.gz: what ScanCode says of the commonest legal passages.

    python scripts/seed_headers.py 'stack/data/*/*.parquet' 'starcoderdata/*/*.parquet'

Every text is a passage normalized as the license filter does it; what ScanCode found is asked of
this machine's detector. Texts are kept in the order of how many files hold them.
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
    parser.add_argument("--least", type=int, default=2, help="files that hold a text")
    parser.add_argument("--most", type=int, default=20000, help="texts")
    given = parser.parse_args()
    counted: Counter[bytes] = Counter()
    for array in texts(given.patterns, given.column):
        for stated in veto.statements(array).values():
            counted.update({statement.text for statement in stated if statement.text})
    common = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    asked = [text for text, count in common if count >= given.least][: given.most]
    answer = Detector().detect(asked)
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, filename="") as output:
        output.write(cache_name().encode() + b"\n")
        for text, found in zip(asked, answer.found, strict=True):
            if found is not None:
                output.write(line_of(text_key(text), found))
    files.write_bytes(str(SEED), buffer.getvalue())
    print(f"{len(asked)} of {len(counted)} texts, {len(buffer.getvalue())} bytes in {SEED}")


if __name__ == "__main__":
    main()
