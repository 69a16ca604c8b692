"""Initial weights: GPT-2's, and those of JAXFORMER, the program that trained CodeGen.

In both, biases are 0 and the scales of norms 1. For the matrices:

| matrix | gpt2 | jaxformer |
|---|---|---|
| embedding | normal, 0.02 | truncated, 1 / sqrt(vocabulary) |
| into the residual stream | normal, 0.02 / sqrt(2 layers) | truncated, 2 / layers / sqrt(width) |
| other | normal, 0.02 | truncated, 1 / sqrt(inputs) |

gpt2, published: GPT-2, section 2.3, and `initializer_range` of codegen2's config.json. jaxformer,
published: jaxformer/models/decoder/inter/modules.py and model.py; Haiku's truncated normal is cut
at two of these deviations, which makes its own deviation 0.88 of the number.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from manifests.prng.splitmix import derive_key
from trainer.models.layers import Decoder

Initialization = Literal["gpt2", "jaxformer"]

DEVIATION = 0.02


def initial_weight(
    model: Decoder, name: str, parameter: Tensor, seed: int, initialization: Initialization
) -> Tensor:
    """Return the initial value of a parameter, not sharded.

    The value depends on the seed and the parameter's name, not on other parameters.

    Args:
        model: the model, whose weights are not read.
        name: of the parameter.
        parameter: gives the whole shape and the device.
        seed: of the initial weights.
        initialization: "gpt2" or "jaxformer".
    """
    shape, device = parameter.shape, parameter.device
    if name.endswith(".bias"):
        return torch.zeros(shape, device=device)
    if len(shape) == 1:
        return torch.ones(shape, device=device)
    generator = torch.Generator(device).manual_seed(derive_key(seed, name) >> 1)
    deviation = _deviation(model, name, shape, initialization)
    if initialization == "gpt2":
        return torch.randn(shape, device=device, generator=generator) * deviation
    values = torch.empty(shape, device=device)
    return nn.init.trunc_normal_(
        values, std=deviation, a=-2 * deviation, b=2 * deviation, generator=generator
    )


def _deviation(
    model: Decoder, name: str, shape: torch.Size, initialization: Initialization
) -> float:
    """Return the standard deviation of the normal law of a matrix."""
    dims, is_output = model.dims, name.endswith(model.residual_outputs)
    if initialization == "gpt2":
        return DEVIATION / math.sqrt(2 * dims.layers) if is_output else DEVIATION
    if is_output:
        return 2 / dims.layers / math.sqrt(dims.width)
    return 1 / math.sqrt(shape[0] if name == "embed.weight" else shape[1])
