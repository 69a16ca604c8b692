"""The order in which mosaicml-streaming gives samples, by its default shuffle: SIZE [SIZE ...].

SIZE is the samples of a shard. Run by the Python of its own environment; prints a JSON list.
"""

import json
import sys

import numpy as np
from streaming.base.shuffle import get_shuffle_py1e

BLOCK = 1 << 18
"""Samples of a shuffle block: the least of its default."""


if __name__ == "__main__":
    sizes = np.array(sys.argv[1:], np.int64)
    print(json.dumps(get_shuffle_py1e(sizes, 1, 0, 0, BLOCK).tolist()))
