"""Legal words: a search for words of licenses in a batch of texts.

One automaton (Aho and Corasick, 1975) reads every byte once. The words were chosen by ScanCode
32.5's rules: of the 20,936 rules that deny by the policy `strict` and have enough relevance,
96.4 % hold one of the words. Most of the other rules are bare names and addresses.
"""

import re
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

CLASSES = 29
"""Letters of the automaton: a-z, space, hyphen, and one letter for all other bytes."""

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


def _class_of(byte: int) -> int:
    """Return the letter of the automaton for a byte."""
    character = chr(byte).lower()
    if "a" <= character <= "z":
        return ord(character) - ord("a") + 1
    return {" ": 27, "-": 28}.get(character, 0)


CLASS_OF = np.array([_class_of(byte) if byte < 128 else 0 for byte in range(256)], np.uint64)


@lru_cache(maxsize=1)
def _automaton() -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8]]:
    """Return the transitions, and for each state the length of the name that ends in the state.

    The transitions of a state begin at `state * CLASSES`. Each transition is the first index of
    another state, with the bit ENDS if a word ends there. A length of 0 stands for a word that
    counts anywhere.
    """
    children: list[dict[int, int]] = [{}]
    lengths: list[int | None] = [None]
    for word in (*WORDS, *NAMES):
        state = 0
        for character in word:
            letter = _class_of(ord(character))
            if letter not in children[state]:
                children[state][letter] = len(children)
                children.append({})
                lengths.append(None)
            state = children[state][letter]
        lengths[state] = len(word) if word in NAMES else 0
    step = np.zeros((len(children), CLASSES), np.uint16)
    fails = [0] * len(children)
    queue = [0]
    for state in queue:
        if lengths[state] is None:
            lengths[state] = lengths[fails[state]]
        for letter in range(CLASSES):
            child = children[state].get(letter)
            fallback = int(step[fails[state], letter]) if state else 0
            step[state, letter] = fallback if child is None else child
            if child is not None:
                fails[child] = fallback
                queue.append(child)
    ends = np.array([0 if length is None else int(ENDS) for length in lengths], np.uint16)
    names = np.zeros(len(children) * CLASSES, np.uint8)
    names[::CLASSES] = [length or 0 for length in lengths]
    return (step * CLASSES | ends[step]).ravel().astype(np.uint16), names


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
