"""The characters by which a byte-level BPE writes the 256 bytes (encoder.py of GPT-2)."""


def gpt2_order() -> list[int]:
    """Return the bytes in the order of GPT-2's ids: printable bytes first."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return printable + [byte for byte in range(256) if byte not in printable]


def byte_symbols() -> list[str]:
    """Return the symbol of each byte, in the order of the bytes.

    A printable byte is its own symbol; the symbols of the other bytes start at U+0100.
    """
    order = gpt2_order()
    symbols = {byte: chr(byte) for byte in order[:188]}
    symbols |= {byte: chr(256 + number) for number, byte in enumerate(order[188:])}
    return [symbols[byte] for byte in range(256)]
