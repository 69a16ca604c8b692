"""A run's weights as a Hugging Face directory that `transformers` loads with identical logits.

Matching keys prove nothing for CodeGen: its fused projection is cut into `mp_num` chunks of heads,
each with the rows of queries, values and keys, in this order, and wrong rows load without a word.
"""

import json
import os
import shutil
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from manifests.errors import UsageError
from manifests.io import files
from manifests.special_tokens import SpecialTokens
from trainer.models import CodeGen2, Decoder, codegen2, llama
from trainer.run import Run

MP_NUM = 4
"""Chunks of heads in `transformers`' CodeGenAttention."""


def export_run(run: Run, directory: str, step: int | None = None) -> dict[str, Any]:
    """Export a checkpoint of a run (the last one); see `export`."""
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
    """Write `directory`: weights, configs and tokenizer; return its config.json.

    Args:
        model: float32, on the CPU, not sharded.
        control: the ids of the vocabulary.
        context: tokens that the model was trained to see at once.
        tokenizer: the content of tokenizer.json.
        directory: a local path that does not exist yet.

    Raises:
        UsageError: the directory exists.
    """
    if os.path.exists(directory):
        raise UsageError(f"{directory}: exists; export writes a new directory")
    codegen = isinstance(model, CodeGen2)
    tensors = _codegen_tensors(model) if codegen else _llama_tensors(model)
    config = _codegen_config(model, context) if codegen else _llama_config(model, context)
    config |= {"bos_token_id": control.end, "eos_token_id": control.end, "dtype": "float32"}
    place = f"{directory.rstrip('/')}.tmp"
    shutil.rmtree(place, ignore_errors=True)
    os.makedirs(place)
    save_file(
        {name: tensor.contiguous() for name, tensor in tensors.items()},
        files.join(place, "model.safetensors"),
        metadata={"format": "pt"},
    )
    end = {"bos_token_id": control.end, "eos_token_id": control.end, "pad_token_id": control.end}
    files.write_json(files.join(place, "config.json"), config)
    files.write_json(files.join(place, "generation_config.json"), end)
    files.write_bytes(files.join(place, "tokenizer.json"), tokenizer)
    about = _tokenizer_config(tokenizer, control, context)
    files.write_json(files.join(place, "tokenizer_config.json"), about)
    os.replace(place, directory)
    return config


def _tokenizer_config(tokenizer: bytes, control: SpecialTokens, context: int) -> dict[str, Any]:
    names = {token["id"]: token["content"] for token in json.loads(tokenizer)["added_tokens"]}
    end = names[control.end]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": end,
        "eos_token": end,
        "pad_token": end,
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
    }


def _codegen_config(model: Decoder, context: int) -> dict[str, Any]:
    shape = model.shape
    return {
        "architectures": ["CodeGenForCausalLM"],
        "model_type": "codegen",
        "activation_function": "gelu_new",
        "attn_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "layer_norm_epsilon": codegen2.EPSILON,
        "n_ctx": context,
        "n_positions": context,
        "n_embd": shape.width,
        "n_head": shape.heads,
        "n_inner": shape.inner,
        "n_layer": shape.layers,
        "rotary_dim": model.rotary,
        "tie_word_embeddings": False,
        "vocab_size": model.vocabulary,
    }


def _llama_config(model: Decoder, context: int) -> dict[str, Any]:
    shape = model.shape
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "attention_bias": False,
        "hidden_act": "silu",
        "hidden_size": shape.width,
        "intermediate_size": shape.inner,
        "max_position_embeddings": context,
        "mlp_bias": False,
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "num_key_value_heads": shape.heads,
        "rms_norm_eps": llama.EPSILON,
        "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"},
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "vocab_size": model.vocabulary,
    }


def fuse_codegen(qkv: Tensor, heads: int, rotary: int) -> Tensor:
    """Return `qkv` [3 D, D] (queries, keys, values) in CodeGen's rows.

    The rotary dimensions of a head go from two halves to GPT-J's pairs (i, i + rotary / 2).
    """
    queries, keys, values = qkv.unflatten(0, (3, heads, -1))
    pairs = torch.arange(rotary).view(2, -1).T.flatten()
    order = torch.cat((pairs, torch.arange(rotary, queries.shape[1])))
    chunked = [
        part.unflatten(0, (MP_NUM, -1)).flatten(1, 2)
        for part in (queries[:, order], values, keys[:, order])
    ]
    return torch.cat(chunked, dim=1).flatten(0, 1)


def _codegen_tensors(model: Decoder) -> dict[str, Tensor]:
    names = {
        "norm.weight": "ln_1.weight",
        "norm.bias": "ln_1.bias",
        "attention.qkv.weight": "attn.qkv_proj.weight",
        "attention.out.weight": "attn.out_proj.weight",
        "up.weight": "mlp.fc_in.weight",
        "up.bias": "mlp.fc_in.bias",
        "down.weight": "mlp.fc_out.weight",
        "down.bias": "mlp.fc_out.bias",
    }
    ours = model.state_dict()
    tensors = {
        "transformer.wte.weight": ours["embed.weight"],
        "transformer.ln_f.weight": ours["norm.weight"],
        "transformer.ln_f.bias": ours["norm.bias"],
        "lm_head.weight": ours["head.weight"],
        "lm_head.bias": ours["head.bias"],
    }
    for layer in range(model.shape.layers):
        for name, theirs in names.items():
            tensor = ours[f"blocks.{layer}.{name}"]
            if name == "attention.qkv.weight":
                tensor = fuse_codegen(tensor, model.shape.heads, model.rotary)
            tensors[f"transformer.h.{layer}.{theirs}"] = tensor
    return tensors


def _llama_tensors(model: Decoder) -> dict[str, Tensor]:
    names = {
        "attention_norm.weight": "input_layernorm.weight",
        "attention.out.weight": "self_attn.o_proj.weight",
        "mlp_norm.weight": "post_attention_layernorm.weight",
        "gate.weight": "mlp.gate_proj.weight",
        "up.weight": "mlp.up_proj.weight",
        "down.weight": "mlp.down_proj.weight",
    }
    ours = model.state_dict()
    tensors = {
        "model.embed_tokens.weight": ours["embed.weight"],
        "model.norm.weight": ours["norm.weight"],
        "lm_head.weight": ours["head.weight"],
    }
    for layer in range(model.shape.layers):
        place = f"model.layers.{layer}"
        for name, theirs in names.items():
            tensors[f"{place}.{theirs}"] = ours[f"blocks.{layer}.{name}"]
        qkv = ours[f"blocks.{layer}.attention.qkv.weight"].chunk(3)
        for letter, part in zip("qkv", qkv, strict=True):
            # Each its own memory: safetensors refuses tensors that share theirs.
            tensors[f"{place}.self_attn.{letter}_proj.weight"] = part.clone()
    return tensors
