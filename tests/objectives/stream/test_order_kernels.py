"""The compiled order is that of plain Python, to the last bit."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from objectives.stream import order, order_kernels
from tests.objectives.stream.test_order import weights

keys = st.integers(0, 2**64 - 1)
sizes = st.one_of(st.integers(1, 300), st.integers(1, 10**13))


@given(st.data(), st.one_of(st.integers(1, 300), st.integers(1, 2**50)), keys)
def test_permute(data, count, key):
    index = data.draw(st.integers(0, count - 1))
    assert order_kernels.permute(index, count, np.uint64(key)) == order.permute(index, count, key)


@settings(max_examples=300)
@given(st.integers(0, 10**13), sizes, st.integers(1, 32_768), keys)
def test_unit(drawn, addresses, size, key):
    expected = order.unit(drawn, addresses, size, key)
    found = order_kernels.unit(drawn, addresses, size, np.uint64(key))
    assert order.Unit(*found) == expected


@settings(max_examples=300)
@given(st.integers(0, 2**60), st.integers(1, 5000), sizes, keys)
def test_pieces(start, count, addresses, key):
    expected = order.pieces(start, count, addresses, key)
    found = order_kernels.pieces(start, count, addresses, np.uint64(key))
    assert found.tolist() == [[piece.address, piece.count] for piece in expected]


@settings(max_examples=300)
@given(weights(), st.one_of(st.integers(0, 1000), st.integers(0, 2**60)))
def test_locate(weights, number):
    shares = order.Shares(weights)
    found = order_kernels.locate(shares.nodes, shares.root, len(weights), number)
    assert found == shares.locate(number)
