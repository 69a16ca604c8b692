"""The compiled randomness is that of plain Python, to the last bit."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from manifests.prng import splitmix, splitmix_kernels

keys = st.integers(0, 2**64 - 1)
parts = st.integers(0, 2**60)


@given(keys, parts)
def test_numbers_and_children(key, part):
    assert int(splitmix_kernels.mix(np.uint64(key))) == splitmix.mix(key)
    assert int(splitmix_kernels.draw(np.uint64(key), part)) == splitmix.draw(key, part)
    assert int(splitmix_kernels.derive(np.uint64(key), part)) == splitmix.derive(key, part)


@given(keys, st.integers(1, 2**62))
def test_bounds(value, bound):
    assert splitmix_kernels.below(np.uint64(value), bound) == splitmix.below(value, bound)


@given(keys, st.integers(0, 80), st.integers(0, 40) | st.integers(0, 9000), st.integers(0, 5))
def test_subsets(key, size, more, skipped):
    draws = splitmix.Draws(key)
    for _ in range(skipped):
        draws.below(7)
    chosen = np.full(size + 2, -1)
    splitmix_kernels.subset(np.uint64(key), skipped, size, size + more, chosen)
    assert chosen[:size].tolist() == draws.subset(size, size + more)
    assert (chosen[size:] == -1).all()
