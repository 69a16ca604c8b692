"""The models that can be trained, by the name that a run's config gives them.

A model is a subclass of `layers.Decoder` in a module of its own, and one line of MODELS. codegen2
and llama are models. loss computes their cross-entropy, kv_cache keeps what sampling needs of
earlier tokens, and initialization draws the first weights.
"""

from collections.abc import Mapping

from trainer.models.codegen2 import CodeGen2
from trainer.models.layers import Decoder, DecoderDims
from trainer.models.llama import Llama

MODELS: Mapping[str, type[Decoder]] = {
    "codegen2": CodeGen2,
    "llama": Llama,
}
"""Name in RUN.toml -> class."""

__all__ = ["MODELS", "CodeGen2", "Decoder", "DecoderDims", "Llama"]
