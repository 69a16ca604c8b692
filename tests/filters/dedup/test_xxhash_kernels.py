import numpy as np
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from filters.dedup.xxhash_kernels import xxh32

data = st.binary(max_size=200)


@given(data, st.integers(0, 5))
def test_xxh32_equals_the_xxhash_package(value, skipped):
    array = np.frombuffer(bytes(skipped) + value, np.uint8)
    assert xxh32(array, skipped, len(array)) == xxhash.xxh32_intdigest(value)
