import zlib

from hypothesis import given
from hypothesis import strategies as st

from manifests.verify.wrong_byte import wrong_byte


@given(st.binary(min_size=1, max_size=3000), st.data())
def test_one_wrong_byte_is_found_with_what_mends_it(message, data):
    place = data.draw(st.integers(0, len(message) - 1))
    flip = data.draw(st.integers(1, 255))
    wrong = bytearray(message)
    wrong[place] ^= flip
    found = wrong_byte(len(message), zlib.crc32(message), zlib.crc32(bytes(wrong)))
    assert found == (place, flip)


def test_equal_checksums_have_no_wrong_byte():
    assert wrong_byte(100, 7, 7) is None


def test_many_wrong_bytes_are_not_one():
    message, other = bytes(range(64)), bytes(64)
    assert wrong_byte(64, zlib.crc32(message), zlib.crc32(other)) is None
