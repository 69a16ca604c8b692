r"""text-dedup's near-deduplication of a Parquet file with a column `text`, as it comes.

Run by the Python of its own environment: FILE WORK. The settings are its own: lower-case text split
on \W with empty tokens, 5-grams, 250 permutations, 25 bands of 10 rows, threshold 0.7. The last
line printed is a JSON list: of each row, the number of its cluster.
"""

import json
import sys

from text_dedup import minhash


def main(file: str, work: str) -> None:
    """Cluster the rows."""
    options = {
        "path": "parquet",
        "data_files": file,
        "split": "train",
        "cache_dir": f"{work}/cache",
        "output": f"{work}/out",
        "column": "text",
        "num_proc": "1",
    }
    arguments = [item for name, value in options.items() for item in (f"--{name}", value)]
    minhash.main(arguments, standalone_mode=False)
    # A row that is like no other, or too short, is its own cluster.
    from datasets import Dataset

    rows = Dataset.from_parquet(file, cache_dir=f"{work}/cache").num_rows
    print(json.dumps([minhash.uf.find(row) for row in range(rows)]))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
