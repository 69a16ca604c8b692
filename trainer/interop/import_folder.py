"""`stackpile import`: a published model directory becomes one that Stackpile and transformers read.

The new directory has the form of an export: safetensors, CodeGen's rows in the order of
transformers (4 chunks), the right id of the end token (published configs of CodeGen2 say 2), and
tokenizer.json. A run can start from it, and `stackpile sample` reads it.
"""

from typing import Any, cast, get_args

import torch

from manifests.errors import UsageError
from manifests.io import files
from manifests.tokenizer.tokenizer import control_of, load_text_tokenizer
from trainer.interop.export import DType, export
from trainer.interop.folder import ModelFolder
from trainer.interop.mp_num import OTHER, PAGE, check, token_losses
from trainer.models import Decoder


def import_folder(
    source: str, directory: str, mp_num: int | None = None, tokenizer: str | None = None
) -> dict[str, Any]:
    """Read the model directory `source` and write `directory`; return its config.json.

    Args:
        source: a directory with config.json and safetensors, of CodeGen, CodeGen2 or Llama.
        directory: a local path that does not exist yet.
        mp_num: chunks of CodeGen's fused projections, 4 or 8; default: as published.
        tokenizer: path of a tokenizer.json, for a directory without one.

    Raises:
        UsageError: the model is another one, its weights are a pickle, it has no tokenizer.json, or
            another `mp_num` is clearly better.
        DataError: a file is damaged, or the tensors are not those of the model.
    """
    folder = ModelFolder.open(source)
    is_codegen = folder.model_class.hf_model_type == "codegen"
    if mp_num is not None and (mp_num not in OTHER or not is_codegen):
        raise UsageError("--mp-num: is 4 or 8, and only for CodeGen and CodeGen2")
    mp_num = mp_num or folder.mp_num
    if is_codegen and mp_num not in OTHER:
        raise UsageError(f"{files.join(source, 'config.json')}: mp_num is {mp_num}, and not 4 or 8")
    path = tokenizer or folder.tokenizer
    control = control_of(path)
    if control.vocabulary > folder.vocabulary:
        raise UsageError(
            f"{path}: has {control.vocabulary} ids, and the model of {source} has "
            f"{folder.vocabulary}"
        )
    model = folder.model(mp_num)
    if is_codegen:
        _check_mp_num(folder, model, mp_num, path)
    dtype = cast(DType, folder.dtype if folder.dtype in get_args(DType) else "float32")
    content = files.read_bytes(path)
    return export(
        model, control, folder.context, content, directory, dtype=dtype, record=folder.record
    )


def _check_mp_num(folder: ModelFolder, model: Decoder, mp_num: int, tokenizer: str) -> None:
    """Raise UsageError if the other number of chunks is clearly better on a page of text."""
    other = OTHER[mp_num]
    if folder.dims.heads % other:
        return
    page = load_text_tokenizer(tokenizer).encode(PAGE, add_special_tokens=False).ids
    tokens = torch.tensor(page[: folder.context])
    losses = token_losses(model, tokens)
    folder.load(model, other, ends="attention.qkv.weight")
    other_losses = token_losses(model, tokens)
    check(folder.path, mp_num, losses, other_losses)
    folder.load(model, mp_num, ends="attention.qkv.weight")
