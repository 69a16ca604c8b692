"""Export of weights as a Hugging Face directory.

`transformers` loads the directory, computes the same logits, and generates the same text. Each
model of `trainer.models` defines the names and the row order of its own weights.
"""

import json
import os
import tempfile
from typing import Any, Literal

import numpy as np
import torch

from manifests.errors import UsageError
from manifests.io import files
from manifests.special_tokens import SpecialTokens
from trainer.checkpoints.state import read_state
from trainer.interop.card import card_text
from trainer.interop.record import (
    ModelRecord,
    drawable_tokens,
    record_of_vocabulary,
    write_record,
)
from trainer.interop.training_data import record_of_run
from trainer.interop.weights import write_weights
from trainer.models import Decoder
from trainer.run import Run

DType = Literal["float32", "bfloat16", "float16"]

GENERATION, INFILL = "generation_config.json", "generation_config_infill.json"


def export_run(
    run: Run, directory: str, step: int | None = None, dtype: DType = "float32"
) -> dict[str, Any]:
    """Export a checkpoint of a run (default: the last one); see `export`.

    Raises:
        UsageError: the directory exists or is a URL of a store, the run has no such checkpoint, or
            it is a Prefix-LM.
    """
    directory = _new(directory)
    step = run.checkpoint_step(step)
    position = read_state(run.checkpoints, step)["stream"]["position"]
    record = record_of_run(run.path, run.plan, step, position)
    if all(objective.has_prefix for objective in record.make_objectives().values()):
        raise UsageError(
            f"{run.path}: is a Prefix-LM, whose prompts attend in both directions; the models of "
            "transformers cannot do so and would compute other logits"
        )
    context, tokenizer = run.plan.sequence_length, files.read_bytes(run.tokenizer)
    return export(
        run.model(step), record.control, context, tokenizer, directory, dtype=dtype, record=record
    )


def export(
    model: Decoder,
    control: SpecialTokens,
    context: int,
    tokenizer: bytes,
    directory: str,
    *,
    dtype: DType = "float32",
    record: ModelRecord | None = None,
) -> dict[str, Any]:
    """Write weights, configs, tokenizer and model card; return the content of config.json.

    Args:
        model: on the CPU, not sharded.
        control: the ids of the special tokens.
        context: tokens of a training sequence.
        tokenizer: the content of tokenizer.json.
        directory: a local path that does not exist yet.
        dtype: of the weights in the files.
        record: what the model was trained on; default: what the vocabulary tells.

    Raises:
        UsageError: the directory exists, or is a URL of a store.
    """
    directory = _new(directory)
    record = record or record_of_vocabulary(control)
    end = {"bos_token_id": control.end, "eos_token_id": control.end}
    config = model.hf_config(context) | end | {"dtype": dtype}
    parent, name = os.path.split(os.path.abspath(directory))
    os.makedirs(parent, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=f".{name}.") as beside:
        temporary = files.join(beside, name)
        os.mkdir(temporary)
        files.write_bytes(files.join(temporary, "tokenizer.json"), tokenizer)
        contents = {
            "config.json": config,
            "tokenizer_config.json": _tokenizer_config(tokenizer, control, context),
            **_generation_configs(model, record, files.join(temporary, "tokenizer.json")),
        }
        for file, content in contents.items():
            files.write_json(files.join(temporary, file), content)
        write_record(temporary, record)
        card = card_text(name, model, context, dtype, record)
        files.write_bytes(files.join(temporary, "README.md"), card.encode())
        write_weights(model.hf_tensors(), temporary, getattr(torch, dtype))
        os.replace(temporary, directory)
    return config


def _new(directory: str) -> str:
    """Return the path of a directory; UsageError if it exists or is a URL of a store."""
    directory = files.require_local(directory)
    if os.path.exists(directory):
        raise UsageError(f"{directory}: exists; export and import write a new directory")
    return directory


def _tokenizer_config(tokenizer: bytes, control: SpecialTokens, context: int) -> dict[str, Any]:
    """Return tokenizer_config.json: the end token also begins and pads a text."""
    texts = {token["id"]: token["content"] for token in json.loads(tokenizer)["added_tokens"]}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **dict.fromkeys(("bos_token", "eos_token", "pad_token"), texts[control.end]),
        "model_max_length": context,
        # transformers 4 adds token_type_ids by default, which CodeGen embeds and adds to the text.
        "model_input_names": ["input_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
    }


def _generation_configs(
    model: Decoder, record: ModelRecord, tokenizer: str
) -> dict[str, dict[str, Any]]:
    """Return the generation configs by file: to continue a text, and to fill a gap.

    Both suppress control tokens, as `stackpile sample` does; they differ in the token that ends a
    generation.
    """
    control, objectives = record.control, record.make_objectives()
    excluded = ~drawable_tokens(tokenizer, model.vocabulary, objectives)
    ends = {GENERATION: {control.end}}
    for objective in objectives.values():
        if objective.infill_prompt([], []) is not None:
            ends[INFILL] = set(objective.stop_tokens)
            break
    pad = {"bos_token_id": control.end, "pad_token_id": control.end}
    return {
        name: pad
        | {
            "eos_token_id": control.end if stop == {control.end} else sorted(stop),
            "suppress_tokens": [i for i in np.flatnonzero(excluded).tolist() if i not in stop],
        }
        for name, stop in ends.items()
    }
