import numpy as np
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from filters.dedup.xxhash_kernels import xxh32, xxh64

data = st.binary(max_size=200)


@given(data, st.integers(0, 5))
def test_xxh32(value, skipped):
    array = np.frombuffer(bytes(skipped) + value, np.uint8)
    assert xxh32(array, skipped, len(array)) == xxhash.xxh32_intdigest(value)


@given(data, st.integers(0, 2**31))
def test_xxh64(value, seed):
    array = np.frombuffer(value + b"tail", np.uint8)
    assert xxh64(array, 0, len(value), seed) == xxhash.xxh64_intdigest(value, seed)
