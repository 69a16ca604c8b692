"""Export of a run's weights as a Hugging Face directory.

`transformers` loads the directory and computes the same logits. Each model of `trainer.models`
defines the names and the row order of its own weights.
"""

import json
import os
import shutil
from typing import Any

from safetensors.torch import save_file

from manifests.errors import UsageError
from manifests.io import files
from manifests.special_tokens import SpecialTokens
from trainer.models import Decoder
from trainer.run import Run


def export_run(run: Run, directory: str, step: int | None = None) -> dict[str, Any]:
    """Export a checkpoint of a run (default: the last one); see `export`."""
    return export(
        run.model(step),
        run.plan.control,
        run.plan.sequence_length,
        files.read_bytes(run.tokenizer),
        directory,
    )


def export(
    model: Decoder, control: SpecialTokens, context: int, tokenizer: bytes, directory: str
) -> dict[str, Any]:
    """Write weights, configs and tokenizer to `directory`; return the content of config.json.

    Args:
        model: float32, on the CPU, not sharded.
        control: the ids of the special tokens.
        context: tokens of a training sequence.
        tokenizer: the content of tokenizer.json.
        directory: a local path that does not exist yet.

    Raises:
        UsageError: the directory exists.
    """
    if os.path.exists(directory):
        raise UsageError(f"{directory}: exists; export writes a new directory")
    end = {"bos_token_id": control.end, "eos_token_id": control.end}
    config = model.hf_config(context) | end | {"dtype": "float32"}
    contents = {
        "config.json": config,
        "generation_config.json": end | {"pad_token_id": control.end},
        "tokenizer_config.json": _tokenizer_config(tokenizer, control, context),
    }
    temporary = f"{directory.rstrip('/')}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    os.makedirs(temporary)
    tensors = {name: tensor.contiguous() for name, tensor in model.hf_tensors().items()}
    save_file(tensors, files.join(temporary, "model.safetensors"), metadata={"format": "pt"})
    for name, content in contents.items():
        files.write_json(files.join(temporary, name), content)
    files.write_bytes(files.join(temporary, "tokenizer.json"), tokenizer)
    os.replace(temporary, directory)
    return config


def _tokenizer_config(tokenizer: bytes, control: SpecialTokens, context: int) -> dict[str, Any]:
    """Return tokenizer_config.json: the end token also begins and pads a text."""
    texts = {token["id"]: token["content"] for token in json.loads(tokenizer)["added_tokens"]}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **dict.fromkeys(("bos_token", "eos_token", "pad_token"), texts[control.end]),
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
    }
