"""GPT-2's symbols: how a byte-level BPE writes each of the 256 bytes."""


def gpt2_order() -> list[int]:
    """Return the bytes in the order of GPT-2's ids: printable ones first."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return printable + [byte for byte in range(256) if byte not in printable]


def byte_symbols() -> list[str]:
    """Return the symbol of each byte, by its number.

    Printable ones stand for themselves, the others for U+0100 and following (encoder.py of GPT-2).
    """
    order = gpt2_order()
    symbols = {byte: chr(byte) for byte in order[:188]}
    symbols |= {byte: chr(256 + number) for number, byte in enumerate(order[188:])}
    return [symbols[byte] for byte in range(256)]
