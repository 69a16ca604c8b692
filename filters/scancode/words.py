"""Legal words: a search for words of licenses in a batch of texts.

One automaton (Aho and Corasick, 1975) reads every byte once. The words were chosen by ScanCode
32.5's rules: of the 20,936 rules that deny by the policy `strict` and have enough relevance,
96.4 % hold one of the words. Most of the other rules are bare names and addresses.
"""

import re
from collections.abc import Container
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from filters.utf8 import Bytes, Offsets
from manifests.prng.jit import compiled

WORDS = (
    # These count anywhere in a word.
    "licens",
    "licenc",
    "are permitted",
    "is permitted",
    "redistribut",
    "copyleft",
    "proprietary",
    "confidential",
    "creative commons",
    "creativecommons",
    "mozilla public",
    "public domain",
    "free software",
    "trade secret",
    "beerware",
    "affero",
    "rights reserved",
    "warrant",
    "terms of service",
    "terms and conditions",
    "terms of use",
    "same terms as",
    "copyright notice",
    "disclaims copyright",
    "this notice",
    "any purpose",
    "without fee",
    "freely",
    "freeware",
    "written consent",
    "commercial use",
    "commercial purpose",
    "non-commercial",
    "noncommercial",
    "sharealike",
    "share alike",
    "noderiv",
    "no deriv",
    "may be copied",
    "software may be",
    "file may be",
    "use this code",
    "patent",
    "lizenz",
)

NAMES = (
    # These count between characters that are not letters: "simple" does not name the MPL.
    "permission",
    "gpl",
    "gplv",
    "lgpl",
    "lgplv",
    "agpl",
    "agplv",
    "gfdl",
    "gnu",
    "mpl",
    "mplv",
    "epl",
    "cddl",
    "cecill",
    "osl",
    "afl",
    "apsl",
    "lppl",
    "eula",
    "artistic",
    "cc by",
    "cc-by",
)

GOES_ON = re.compile(
    rb"advertising|endors|\bnotice\b|copyright (?:holders?|owners?)|th(?:is|e) software|liab"
    rb"|authori[sz]ation|damages|\bas is\b",
    re.IGNORECASE,
)
"""Words of paragraphs that belong to a license but hold no legal word."""

LETTERS = "\0abcdefghijklmnopqrstuvwxyz -"
"""Letters of the automaton, by number; 0 stands for all other bytes."""

CLASSES = len(LETTERS)

ENDS = np.uint64(1 << 15)
"""Bit of a transition into a state in which a word ends."""


class Hits(NamedTuple):
    """The ends of n legal words, in order.

    Attributes:
        document: int64 [n], index of the text.
        at: int64 [n], position of the byte after the word in the text.
    """

    document: npt.NDArray[np.int64]
    at: npt.NDArray[np.int64]


def find_words(data: Bytes, offsets: Offsets) -> Hits:
    """Return every legal word of n texts, in any case of letters.

    Args:
        data: uint8, the UTF-8 of all texts (`filters.utf8.text_bytes`).
        offsets: int64 [n + 1], the start of each text.
    """
    step, names = _automaton()
    count = int(_scan(data, offsets, CLASS_OF, step, names, _NONE, _NONE))
    document, at = np.empty(count, np.int64), np.empty(count, np.int64)
    if count:
        _scan(data, offsets, CLASS_OF, step, names, document, at)
    return Hits(document, at)


_NONE = np.empty(0, np.int64)


CLASS_OF = np.array([max(0, LETTERS.find(chr(byte).lower())) for byte in range(256)], np.uint64)
CLASS_OF[128:] = 0


@lru_cache(maxsize=1)
def _automaton() -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8]]:
    """Return the transitions, and for each state the length of the name that ends in the state.

    The transitions of a state begin at `state * CLASSES`. Each transition is the first index of
    another state, with the bit ENDS if a word ends there. A length of 0 stands for a word that
    counts anywhere.
    """
    lengths = dict.fromkeys(WORDS, 0) | {name: len(name) for name in NAMES}
    states = sorted({word[:size] for word in lengths for size in range(len(word) + 1)})
    numbers = {state: number for number, state in enumerate(states)}
    ending = [_longest_end(state, lengths) for state in states]
    following = [_longest_end(state + letter, numbers) for state in states for letter in LETTERS]
    step = np.array([numbers[state or ""] for state in following], np.uint16)
    ends = np.array([word is not None for word in ending]) * ENDS.astype(np.uint16)
    names = np.zeros(len(states) * CLASSES, np.uint8)
    names[::CLASSES] = [lengths.get(word or "", 0) for word in ending]
    return step * np.uint16(CLASSES) | ends[step], names


def _longest_end(text: str, known: Container[str]) -> str | None:
    """Return the longest end of a text that is known."""
    return next((text[i:] for i in range(len(text) + 1) if text[i:] in known), None)


@compiled()
def _scan(
    data: Bytes,
    offsets: Offsets,
    class_of: npt.NDArray[np.uint64],
    step: npt.NDArray[np.uint16],
    names: Bytes,
    document: Offsets,
    at: Offsets,
) -> int:
    """Fill `document` and `at` as far as they go; return the number of legal words."""
    count = 0
    for text in range(len(offsets) - 1):
        start, stop = int(offsets[text]), int(offsets[text + 1])
        state = np.uint64(0)
        # Unsigned indices: numba tests a signed index for negative values at every byte.
        for i in range(np.uint64(start), np.uint64(stop)):
            state = np.uint64(step[state + class_of[data[i]]])
            if state & ENDS:
                state ^= ENDS
                after = np.int64(i) + 1
                length = np.int64(names[state])
                if length == 0 or _stands_alone(
                    data, class_of, start, stop, int(after), int(length)
                ):
                    if count < len(at):
                        document[count] = text
                        at[count] = after - start
                    count += 1
    return count


@compiled()
def _stands_alone(
    data: Bytes,
    class_of: npt.NDArray[np.uint64],
    start: int,
    stop: int,
    after: int,
    length: int,
) -> bool:
    """Return whether no letter (classes 1 to 26) is before or after a name."""
    before = after - length - 1
    if before >= start and 1 <= class_of[data[before]] <= 26:
        return False
    return after >= stop or not 1 <= class_of[data[after]] <= 26
