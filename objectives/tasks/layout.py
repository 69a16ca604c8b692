"""The layout of a unit: which segments its sequences have, and how many control tokens each needs.

The sequences of a unit take its addresses in order. A segment draws its law first, which says how
many control tokens it needs. A sequence takes segments until its L positions are full. The last
segment is cut at the largest size that fits together with the control tokens of the cut segment.

A unit has fewer addresses than positions. The difference, its slack, pays for control tokens. A
segment that needs more than what is left of the slack stays plain, and is counted as thinned.
docs/stream-order.md defines the layout.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from manifests.prng.jit import compiled
from manifests.prng.splitmix import below, derive, draw
from objectives.tasks.causal_masking import number_of_spans
from objectives.tasks.fim import fit_rearranged, is_drawn
from objectives.tasks.law import CUTS, DENOISER, NONE, POISSON, SPANS, Laws, Numbers
from objectives.tasks.span_corruption import masked_tokens, span_count
from objectives.tasks.ul2 import denoised

Integers = npt.NDArray[np.int64]

TOKEN, LENGTH, ENDS, CONTROL, KEY, DETAILS = range(6)
"""Columns of a table of segments: first token, number of tokens, whether the document ends, control
tokens (0: plain), key, and 4 columns of details of the law."""

SEGMENT_COLUMNS = DETAILS + 4

FIRST, LAST, START, STOP, LOST, ELIGIBLE, THINNED = range(7)
"""Columns of a table of sequences: first segment, end of its segments, first address in the unit,
end of its addresses, positions lost to tombstones, eligible segments, thinned segments."""

SEQUENCE_COLUMNS = 7

PIECE_COLUMNS = 4
"""Columns of a table of pieces: first token, number of tokens, whether the document ends in the
unit, whether a tombstone names it."""

UNLIMITED = 1 << 40
"""Slack of a unit that may take any number of control tokens."""


@compiled()
def lay_out(
    pieces: Integers,
    tokens: npt.NDArray[Any],
    key: np.uint64,
    slots: Integers,
    rotated: bool,
    laws: Laws,
    length: int,
    slack: int,
    segments: Integers,
    sequences: Integers,
) -> int:
    """Lay out a unit.

    Args:
        pieces: int64 [P, PIECE_COLUMNS], the documents of the unit in the order of addresses.
        tokens: uint16 or uint32 [any], the tokens of the unit.
        key: of the unit.
        slots: int64 [K], the objective of each sequence, as a row of `laws`.
        rotated: whether the key says which sequence takes the first addresses; its successors
            follow, and sequence 0 follows sequence K - 1. Padding is in the last ones. If not,
            sequence 0 takes the first addresses.
        laws: of the objectives.
        length: positions of a sequence.
        slack: positions of the unit that are not addresses, at least 0.
        segments: int64 [P + K or more, SEGMENT_COLUMNS], for the segments.
        sequences: int64 [K, SEQUENCE_COLUMNS], for the sequences.

    Returns:
        The number of segments.
    """
    count, piece, done, address = 0, 0, 0, 0
    begin = below(draw(key, len(slots)), len(slots)) if rotated else 0
    for i in range(len(slots)):
        slack -= laws.numbers[slots[i], 1]
    for i in range(len(slots)):
        sequence = (begin + i) % len(slots)
        law = _law(laws, slots[sequence])
        sequence_key = derive(key, sequence)
        room, masks, number = length - law.sequence_tokens, law.masks, 0
        row = sequences[sequence]
        row[FIRST], row[START] = count, address
        row[LOST:] = 0
        while piece < len(pieces) and room > 0:
            start, left = pieces[piece, 0] + done, pieces[piece, 1] - done
            ends, forgotten = pieces[piece, 2], pieces[piece, 3]
            segment = segments[count]
            segment_key = derive(sequence_key, number)
            number += 1
            size, control = _fit(
                law, laws, segment_key, tokens, start, left, ends, room, masks, segment[DETAILS:]
            )
            is_whole = size == left and size + ends + control <= room
            wasted = 0 if is_whole else room - size - control
            is_thinned = law.kind == DENOISER and _lacks_masks(law, size, masks)
            if control + wasted > slack:
                size, control, wasted = min(left, room), 0, 0
                is_whole, is_thinned = size + ends <= room and size == left, size >= law.shortest
            slack -= control + wasted
            masks -= control // 2 if law.kind == DENOISER else 0
            used = size + (ends if is_whole else 0)
            address += used
            room -= used + control + wasted
            segment[TOKEN], segment[LENGTH], segment[CONTROL] = start, size, control
            segment[ENDS], segment[KEY] = ends if is_whole else 0, np.int64(segment_key)
            if forgotten:
                row[LOST] += used + control
            else:
                row[ELIGIBLE] += control > 0 or is_thinned
                row[THINNED] += is_thinned
                count += 1
            piece, done = (piece + 1, 0) if is_whole else (piece, done + size)
        row[LAST], row[STOP] = count, address
    return count


@compiled(inline=True)
def _law(laws: Laws, slot: int) -> Numbers:
    row = laws.numbers[slot]
    return Numbers(
        row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8], row[9], row[10]
    )


@compiled(inline=True)
def _lacks_masks(law: Numbers, size: int, masks: int) -> bool:
    """Return whether a segment of a denoiser needs more masks than its sequence has left."""
    return size >= law.shortest and denoised(size, law.rate, law.mean)[1] > masks


@compiled()
def _fit(
    law: Numbers,
    laws: Laws,
    key: np.uint64,
    tokens: npt.NDArray[Any],
    start: int,
    left: int,
    ends: int,
    room: int,
    masks: int,
    details: Integers,
) -> tuple[int, int]:
    """Return how many tokens of a document fit in a sequence, and their control tokens.

    Args:
        law: of the objective.
        laws: of the plan.
        key: of the segment.
        tokens: of the unit.
        start: first token of the document.
        left: number of tokens of the document.
        ends: 1 if an end token follows them, else 0.
        room: positions that are left in the sequence.
        masks: masks that are left in the sequence.
        details: int64 [4], for the details of the law.
    """
    most = min(left, room)
    if law.kind == NONE or most < law.shortest:
        return most, 0
    if law.kind == CUTS:
        if not is_drawn(key, law.rate):
            return most, 0
        if not law.between_tokens:
            return fit_rearranged(law, key, tokens, start, left, ends, room, laws.splits, details)
    control = _control_tokens(law, laws, key, most, masks)
    if control == 0 or most + control <= room:
        return most, control
    # `low` fits and `high` does not. The control tokens hardly ever fall as a segment grows.
    low, high = min(most, law.shortest - 1), most
    near = room - control
    if near > low and near + _control_tokens(law, laws, key, near, masks) <= room:
        low = near
    while high - low > 1:
        middle = (low + high) // 2
        if middle + _control_tokens(law, laws, key, middle, masks) <= room:
            low = middle
        else:
            high = middle
    return low, _control_tokens(law, laws, key, low, masks)


@compiled()
def _control_tokens(law: Numbers, laws: Laws, key: np.uint64, length: int, masks: int) -> int:
    """Return how many control tokens a segment of `length` tokens needs, by its law."""
    if length < law.shortest:
        return 0
    if law.kind == SPANS:
        masked = masked_tokens(key, length, law.low, law.high)
        return 3 * span_count(key, length, masked, law.masks, law.bound)[0] + 1
    if law.kind == POISSON:
        return 3 * number_of_spans(key, length, law.masks, laws.thresholds)
    if law.kind == DENOISER:
        return 2 * min(denoised(length, law.rate, law.mean)[1], masks)
    return law.cost  # FIXED_COST, or CUTS between tokens
