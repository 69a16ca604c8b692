"""The chunks of CodeGen's fused projection: 8 in CodeGen2's 1B and 3.7B, 4 in all others.

CodeGenAttention cuts the rows of `qkv_proj` into `mp_num` chunks, one for each core of the TPU that
it was trained on; a chunk holds its heads' queries, then values, then keys. transformers knows only
4, and the code that is published with CodeGen2's 1B and 3.7B has 8 (modeling_codegen.py). Weights
read with the wrong number load without an error and give wrong logits, so `check` measures the loss
of a page of text under both.
"""

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from manifests.errors import UsageError
from trainer.models import Decoder, DecoderDims

TRANSFORMERS = 4
"""The number that transformers' CodeGenAttention has, and that exports have."""

OTHER = {4: 8, 8: 4}

EIGHT = {(16, 2048, 16), (16, 4096, 16)}
"""Layers, width and heads of the published models with 8 chunks: CodeGen2's 1B and 3.7B."""

CLEAR_LOSS, CLEAR_ERRORS = 0.02, 4.0
"""How much lower the loss of the other number must be to refuse: nats a token, and standard errors
of the mean difference. Ours: untrained weights differ by less than two standard errors, and a
small trained model by a tenth of a nat or more."""

PAGE = '''\
"""Read a table of measurements and print the mean of each column."""

import csv
import sys


def read_rows(path):
    """Return the rows of a CSV file as lists of numbers."""
    with open(path, newline="") as source:
        reader = csv.reader(source)
        header = next(reader)
        rows = [[float(cell) for cell in row] for row in reader if row]
    return header, rows


def mean(values):
    """Return the arithmetic mean, or 0 for no values."""
    if not values:
        return 0.0
    return sum(values) / len(values)


def main():
    if len(sys.argv) != 2:
        print("usage: means.py FILE", file=sys.stderr)
        return 2
    header, rows = read_rows(sys.argv[1])
    for index, name in enumerate(header):
        column = [row[index] for row in rows]
        print(f"{name}: {mean(column):.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

# The program above reads a file that is given on the command line. The first line of the file has
# the names of the columns. Each of the other lines has one number for each column. The result is
# printed, one line for each column, in the order of the file. If the file does not exist, Python
# raises an error, and the program ends with the message of that error.
'''
"""A page of code and English, for `check`."""


def default_mp_num(dims: DecoderDims) -> int:
    """Return the number of chunks that the published model of these dimensions has."""
    return 8 if (dims.layers, dims.width, dims.heads) in EIGHT else TRANSFORMERS


def repartition(qkv: Tensor, old: int, new: int) -> Tensor:
    """Return the rows of a fused projection [3 D, D] of `old` chunks as those of `new` chunks."""
    kinds = qkv.unflatten(0, (old, 3, -1)).transpose(0, 1).flatten(1, 2)
    return cast(Tensor, kinds.unflatten(1, (new, -1)).transpose(0, 1).flatten(0, 2))


@torch.inference_mode()
def token_losses(model: Decoder, tokens: Tensor) -> Tensor:
    """Return the cross-entropy of each token after the first, in nats, float32 [n - 1]."""
    logits = model.logits(tokens[None])[0, :-1].float()
    return F.cross_entropy(logits, tokens[1:], reduction="none")


def check(place: str, mp_num: int, losses: Tensor, other_losses: Tensor) -> None:
    """Raise UsageError if the other number of chunks is clearly better on the page.

    Args:
        place: the directory, for the message.
        mp_num: the number that the weights were read with.
        losses: of each token of the page, float32 [n].
        other_losses: the same with OTHER[mp_num].
    """
    gains = losses - other_losses
    gain, error = float(gains.mean()), float(gains.std()) / math.sqrt(len(gains))
    if gain > max(CLEAR_LOSS, CLEAR_ERRORS * error):
        raise UsageError(
            f"{place}: with --mp-num {mp_num} a page of text has a loss of "
            f"{float(losses.mean()):.3f} nats a token, and with --mp-num {OTHER[mp_num]} "
            f"{float(other_losses.mean()):.3f}; give --mp-num {OTHER[mp_num]}"
        )
