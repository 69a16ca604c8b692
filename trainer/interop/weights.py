"""Weights as safetensors files: `model.safetensors`, or several files and an index."""

import json
from collections.abc import Mapping
from typing import Any

import torch
from huggingface_hub import save_torch_state_dict
from safetensors import SafetensorError, safe_open
from torch import Tensor

from manifests.errors import DataError, UsageError
from manifests.io import files

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"

SHARD_SIZE = "5GB"
"""Largest file of weights. Published: the default of huggingface_hub's save_torch_state_dict."""

PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")


class Weights:
    """The tensors of a model directory, read one at a time.

    Attributes:
        files: name of a tensor -> path of its file.
    """

    def __init__(self, directory: str) -> None:
        """Find the files of a directory, and read their headers.

        Raises:
            UsageError: the directory has no safetensors.
            DataError: a file is damaged, or the index names a file that is missing.
        """
        self._open: dict[str, Any] = {}
        if files.exists(files.join(directory, INDEX)):
            names = _index(directory)
        elif files.exists(files.join(directory, SINGLE)):
            names = {SINGLE}
        else:
            raise UsageError(_no_safetensors(directory))
        paths = [files.join(directory, name) for name in sorted(names)]
        self.files = {name: path for path in paths for name in list(self._file(path).keys())}

    def read(self, name: str) -> Tensor:
        """Return a tensor; DataError if there is none of this name."""
        if name not in self.files:
            raise DataError(f"{name}: is not among the {len(self.files)} tensors")
        tensor: Tensor = self._file(self.files[name]).get_tensor(name)
        return tensor

    def _file(self, path: str) -> Any:
        """Return the open file at a path."""
        if path not in self._open:
            try:
                self._open[path] = safe_open(path, framework="pt")
            except (SafetensorError, OSError) as error:
                raise DataError(f"{path}: is not a whole safetensors file: {error}") from None
        return self._open[path]


def write_weights(tensors: Mapping[str, Tensor], directory: str, dtype: torch.dtype) -> None:
    """Write tensors as `dtype`, in files of at most SHARD_SIZE; several files get an index."""
    converted = {name: tensor.to(dtype).contiguous() for name, tensor in tensors.items()}
    save_torch_state_dict(converted, directory, max_shard_size=SHARD_SIZE)


def _index(directory: str) -> set[str]:
    """Return the names of the files that the index of a directory names."""
    path = files.join(directory, INDEX)
    try:
        names = set(json.loads(files.read_bytes(path))["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"{path}: is not an index of safetensors files") from None
    if stray := sorted(name for name in names if "/" in name or "\\" in name):
        raise DataError(f"{path}: names {stray[0]!r}, which is not a file of this directory")
    return names


def _no_safetensors(directory: str) -> str:
    """Return the sentence for a directory without safetensors."""
    if any(files.exists(files.join(directory, name)) for name in PICKLES):
        return (
            f"{directory}: its weights are a pickle, which can run code when it is read; convert "
            "it first, for example with transformers: AutoModelForCausalLM.from_pretrained("
            f"{directory!r}).save_pretrained(OUT)"
        )
    return f"{directory}: has no {SINGLE} and no {INDEX}"
