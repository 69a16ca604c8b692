"""Causal language modeling: the addresses as they are."""

import numpy as np

from manifests.config import Config
from manifests.control import Control
from objectives.batch import Addresses, Row, pad


class Settings(Config):
    """There is nothing to set."""


def allowances(count: int, length: int) -> list[int]:
    """Return 0 for each of `count` slots: nothing is added to the tokens."""
    return [0] * count


def fill(source: Addresses, row: Row, key: int, control: Control, settings: Settings) -> None:
    """Copy the addresses into `row`; nothing is random."""
    used = len(source.tokens)
    row.tokens[:used] = source.tokens
    row.weights[:used] = 1
    row.weights[0] = 0
    sizes = source.sizes
    row.documents[:used] = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    pad(row, used, control)
