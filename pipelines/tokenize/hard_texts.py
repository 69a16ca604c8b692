"""Texts for the comparison of two encoders: every character, and cases at their limits."""

from collections.abc import Iterable
from functools import cache

from manifests.tokenizer.byte_symbols import byte_symbols

ASSIGNED = (range(0xD800), range(0xE000, 0x40000), range(0xE0000, 0xE1000))
"""Code points that have, or may get, a class of their own; the rest is empty or private."""

RUNS = (1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 30, 31, 32, 33, 47, 48, 49, 64, 65, 255, 256, 257, 1000)
"""Lengths around which an encoder may change its method: powers of two, and added tokens."""


@cache
def hard_texts() -> tuple[str, ...]:
    """Return the texts, always the same."""
    return (*_characters(), *_whitespace(), *_contractions(), *_runs(), *_mixtures())


def vocabulary_texts(tokens: Iterable[str], lines: int = 100) -> list[str]:
    """Return texts of a byte-level vocabulary's tokens, one a line, so every merge is used.

    Tokens that are part of a character are left out.
    """
    bytes_of = {symbol: byte for byte, symbol in enumerate(byte_symbols())}
    texts = []
    for token in sorted(tokens):
        if all(symbol in bytes_of for symbol in token):
            texts.append(bytes(bytes_of[symbol] for symbol in token).decode("utf-8", "ignore"))
    return ["\n".join(texts[start : start + lines]) for start in range(0, len(texts), lines)]


def _characters() -> list[str]:
    """Every code point that may have a class of its own, among letters, digits and spaces."""
    codes = [code for codes in ASSIGNED for code in codes]
    ends = ("a", " ", "1", "\n", ".")
    lines = [
        "".join(map(chr, codes[start : start + 61])) + ends[start // 61 % len(ends)]
        for start in range(0, len(codes), 61)
    ]
    return ["".join(lines[start : start + 64]) for start in range(0, len(lines), 64)]


def _whitespace() -> list[str]:
    spaces = (" ", "\t", "\n", "\r\n", "\u00a0", "\u3000", " \t", "\n ", "\x1c", "\u0085")
    ends = ("", "x", "1", ".", "\u4e2d", "\n")
    return [space * run + end for space in spaces for run in RUNS[:-2] for end in ends]


def _contractions() -> list[str]:
    words = ["'" + letters for letters in ("s", "t", "re", "ve", "m", "ll", "d", "S", "r", "l")]
    return [
        f"{before}{word}{after}"
        for word in (*words, "'", "''", "\u2019s")
        for before in ("", "a", " ", "1", "'", "  ")
        for after in ("", "a", " ", "1", "'", "e", "l")
    ]


def _runs() -> list[str]:
    units = ("a", "0", "=", "ab", "\u00e9", "\u4e2d", "\U0001f600", "\x00", "'s", "aA1 ", "12", "_")
    return [before + unit * run for unit in units for run in RUNS for before in ("", " ", "x")]


def _mixtures() -> list[str]:
    """Programs, numbers, controls, and keys that differ only in zeros at their end."""
    return [
        "",
        "def f(x):\n    if x:\n\t\treturn  {'a': 1.5e-10}  # it's\r\n\n\n",
        "0x7f 1,234,567 \u0661\u0662\u0663 \u00bd \u2160 v2.0rc1 a1b2c3",
        "".join(map(chr, range(256))) * 2,
        *("key" + "\x00" * zeros for zeros in range(10)),
        *("\x00" * zeros for zeros in range(1, 20)),
        "e\u0301 \u0130 \ufb01 \ufeff \u200b\u200d \U0010ffff \ue000 \ud7ff \ufffd",
        "https://example.org/a/b?c=d&e=%20f#g ../../x/y/z.tar.gz C:\\\\d\\\\e\\\\",
        "<|endoftext|><sep><mask_1> <eom>\n<fim_prefix>",
    ]
