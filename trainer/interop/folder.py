"""A model directory of Hugging Face, opened: its config, its tokenizer, and its model."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import ValidationError

from manifests.config import did_you_mean
from manifests.errors import DataError, UsageError
from manifests.io import files
from trainer.interop.mp_num import TRANSFORMERS, default_mp_num, repartition
from trainer.interop.record import ModelRecord, read_record
from trainer.interop.weights import Weights
from trainer.models import MODELS, Decoder, DecoderDims

CONFIG, TOKENIZER = "config.json", "tokenizer.json"

BUFFERS = ("attn.causal_mask", "attn.masked_bias", "attn.bias", "rotary_emb.inv_freq")
"""Ends of the names of tensors that old checkpoints have and that are no weights (jaxformer,
hf/convert.py)."""

IRRELEVANT = {
    *("architectures", "attn_pdrop", "embd_pdrop", "resid_pdrop"),
    *("mp_num", "n_ctx", "rope_parameters"),
}
"""Keys of config.json that may differ: names, dropout, and what is read or checked elsewhere."""


@dataclass(frozen=True)
class ModelFolder:
    """A model directory.

    Attributes:
        path: of the directory.
        config: its config.json.
        model_class: the class of its model.
        dims: the dimensions.
        vocabulary: rows of its embedding.
        context: maximum number of tokens of a sequence.
        record: stackpile.json; None if a program other than Stackpile wrote the directory.
    """

    path: str
    config: dict[str, Any]
    model_class: type[Decoder]
    dims: DecoderDims
    vocabulary: int
    context: int
    record: ModelRecord | None

    @classmethod
    def open(cls, path: str) -> "ModelFolder":
        """Open a directory.

        Raises:
            UsageError: there is no config.json, or it describes a model that Stackpile lacks.
            DataError: config.json or stackpile.json is damaged.
        """
        place = files.join(path, CONFIG)
        if not files.exists(place):
            raise UsageError(f"{path}: is not a model directory: it has no {CONFIG}")
        config = _read_json(place)
        model_class = _model_class(place, config)
        try:
            dims, context = model_class.from_hf_config(config)
            model_class.check_dims(dims)
            vocabulary = int(config["vocab_size"])
        except KeyError as error:
            raise DataError(f"{place}: has no {error.args[0]}") from None
        except (UsageError, ValidationError, TypeError, ValueError) as error:
            raise UsageError(f"{place}: {_first_line(error)}") from None
        folder = cls(path, config, model_class, dims, vocabulary, context, read_record(path))
        folder._check_config()
        return folder

    def _check_config(self) -> None:
        """Raise UsageError if config.json describes another computation than the model's."""
        ours = self.empty_model().hf_config(self.context)
        for key, value in ours.items():
            theirs = self.config.get(key)
            if theirs is not None and theirs != value and key not in IRRELEVANT:
                raise UsageError(
                    f"{files.join(self.path, CONFIG)}: {key} is {theirs}, and Stackpile's "
                    f"{self.model_class.__name__} has {value}"
                )

    @property
    def dtype(self) -> str:
        """The dtype of the weights as config.json names it; float32 if it does not."""
        name = self.config.get("dtype") or self.config.get("torch_dtype") or "float32"
        return str(name).removeprefix("torch.")

    @property
    def tokenizer(self) -> str:
        """The path of tokenizer.json.

        Raises:
            UsageError: the directory has none.
        """
        path = files.join(self.path, TOKENIZER)
        if not files.exists(path):
            raise UsageError(
                f"{self.path}: has no {TOKENIZER}; `stackpile tokenizer rebuild` makes those of "
                "CodeGen2 and CodeGen2.5"
            )
        return path

    @property
    def mp_num(self) -> int:
        """Chunks of CodeGen's fused projections: as config.json says, else the published number."""
        return int(self.config.get("mp_num") or default_mp_num(self.dims))

    def empty_model(self) -> Decoder:
        """Return the model on the meta device, without weights."""
        with torch.device("meta"):
            return self.model_class(self.dims, self.vocabulary)

    def model(self, mp_num: int | None = None) -> Decoder:
        """Return the float32 model, on the CPU.

        Args:
            mp_num: chunks of CodeGen's fused projections; default: `self.mp_num`.

        Raises:
            UsageError: the weights are no safetensors, or the heads do not divide into chunks.
            DataError: a file is damaged, or the tensors are not those of the model.
        """
        model = self.empty_model()
        self.check_names(model)
        model.to_empty(device="cpu")
        self.load(model, mp_num or self.mp_num)
        return model.eval()

    def load(self, model: Decoder, mp_num: int, ends: str = "") -> None:
        """Read weights into a model.

        Args:
            model: of this directory's dimensions.
            mp_num: chunks of CodeGen's fused projections.
            ends: of the names of the parameters to read; default: all of them.
        """
        try:
            with torch.no_grad():
                model.load_hf_tensors(self.reader(mp_num), ends)
        except DataError as error:
            raise DataError(f"{self.path}: {error}") from None

    def reader(self, mp_num: int) -> Callable[[str], torch.Tensor]:
        """Return a function from the name of a tensor to the tensor, in transformers' row order.

        Args:
            mp_num: chunks of CodeGen's fused projections in the files.
        """
        weights = Weights(self.path)
        if self.dims.heads % mp_num and self.model_class.hf_model_type == "codegen":
            raise UsageError(f"--mp-num {mp_num}: the model has {self.dims.heads} heads")

        def read(name: str) -> torch.Tensor:
            tensor = weights.read(name)
            is_fused = name.endswith("attn.qkv_proj.weight")
            return repartition(tensor, mp_num, TRANSFORMERS) if is_fused else tensor

        return read

    def require_record(self) -> ModelRecord:
        """Return `record`; UsageError if a program other than Stackpile wrote the directory."""
        if self.record is None:
            raise UsageError(
                f"{self.path}: was not written by `stackpile export` or `stackpile import`; import "
                "it first, which checks the order of its weights"
            )
        return self.record

    def check_names(self, model: Decoder) -> None:
        """Raise DataError if the tensors are not exactly the model's, by name."""
        wanted = {n for name in model.state_dict() for n in model.hf_tensor_names(name)}
        found = {name for name in Weights(self.path).files if not name.endswith(BUFFERS)}
        for names, what in ((wanted - found, "lacks"), (found - wanted, "has besides the model's")):
            if names:
                more = f" and {len(names) - 1} more" if len(names) > 1 else ""
                raise DataError(f"{self.path}: {what} the tensor {min(names)}{more}")


def _read_json(path: str) -> dict[str, Any]:
    try:
        content = json.loads(files.read_bytes(path))
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise DataError(f"{path}: is not a JSON object")
    return content


def _model_class(place: str, config: dict[str, Any]) -> type[Decoder]:
    """Return the class of the model that a config.json names."""
    known = {model.hf_model_type: model for model in MODELS.values() if model.hf_model_type}
    name = config.get("model_type")
    if name not in known:
        hint = did_you_mean(str(name), [str(kind) for kind in known])
        raise UsageError(f"{place}: model_type {name!r} cannot be read; {hint}")
    return known[name]


def _first_line(error: Exception) -> str:
    """Return the first fault of an error as one line."""
    if isinstance(error, ValidationError):
        fault = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
    return str(error).splitlines()[0]
