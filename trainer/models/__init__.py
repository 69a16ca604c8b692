"""The decoders that are trained here, by the name a run's config gives them."""

from collections.abc import Mapping

from trainer.models.codegen2 import CodeGen2
from trainer.models.layers import Decoder, Shape
from trainer.models.llama import Llama

MODELS: Mapping[str, type[Decoder]] = {"codegen2": CodeGen2, "llama": Llama}

__all__ = ["MODELS", "CodeGen2", "Decoder", "Llama", "Shape"]
