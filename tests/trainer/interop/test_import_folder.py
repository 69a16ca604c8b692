"""Import: directories of CodeGen, CodeGen2 (4 and 8 chunks) and Llama give transformers' logits."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmarks.interop import in_chunks_of_8
from manifests.errors import DataError, UsageError
from tests.trainer.interop.conftest import CONTROL, TOKENIZER
from trainer.interop.export import export_run
from trainer.interop.folder import ModelFolder
from trainer.interop.import_folder import import_folder
from trainer.interop.mp_num import default_mp_num
from trainer.models import CodeGen2
from trainer.run import Run
from trainer.sampling.generate import Sampling
from trainer.sampling.language_model import LanguageModel
from trainer.sampling.text import Prompt, sample_texts

transformers = pytest.importorskip("transformers")

CODEGEN = {
    "n_layer": 2,
    "n_embd": 128,
    "n_head": 8,
    "rotary_dim": 8,
    "n_positions": 64,
    "n_ctx": 64,
}
LLAMA = {
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "max_position_embeddings": 64,
}
CONFIGS = [
    ("codegen", CODEGEN),
    ("codegen", CODEGEN | {"n_embd": 96, "n_head": 4, "n_inner": 50, "rotary_dim": 24}),
    ("llama", LLAMA),
    ("llama", LLAMA | {"rms_norm_eps": 1e-3, "rope_theta": 500.0, "torch_dtype": "float16"}),
]


def write(path: Path, model_type: str, config: dict[str, Any], **kwargs):
    """Write a directory as transformers does, and return its model."""
    torch.manual_seed(7)
    made = transformers.AutoConfig.for_model(model_type, vocab_size=263, **config)
    model = transformers.AutoModelForCausalLM.from_config(made).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.1)
    model.save_pretrained(path, **kwargs)
    (path / "tokenizer.json").write_bytes(TOKENIZER)
    return model


def rewrite_in_chunks_of_8(path: Path, heads: int) -> None:
    """Change the weights of a directory to 8 chunks, as CodeGen2's 1B and 3.7B are published."""
    tensors = load_file(path / "model.safetensors")
    for name, tensor in tensors.items():
        if name.endswith("qkv_proj.weight"):
            tensors[name] = in_chunks_of_8(tensor, heads)
    save_file(tensors, path / "model.safetensors", metadata={"format": "pt"})


@torch.no_grad()
def assert_same_logits(place: Path, theirs) -> None:
    """Compare the model of an imported directory with one of transformers."""
    tokens = torch.randint(0, 263, (2, 40))
    wanted = theirs.float()(tokens).logits
    again = transformers.AutoModelForCausalLM.from_pretrained(place).eval().float()
    ours = ModelFolder.open(str(place)).model()
    for logits in (ours.logits(tokens), again(tokens).logits):
        assert (logits - wanted).abs().max() < 1e-5 * max(1.0, float(wanted.abs().max()))


@pytest.mark.parametrize(("model_type", "config"), CONFIGS)
def test_an_import_has_the_logits_of_transformers(tmp_path, model_type, config) -> None:
    theirs = write(tmp_path / "theirs", model_type, config)
    made = import_folder(str(tmp_path / "theirs"), str(tmp_path / "ours"))
    assert made["eos_token_id"] == CONTROL.end
    assert_same_logits(tmp_path / "ours", theirs)


def test_weights_in_8_chunks_are_read_with_mp_num_8(tmp_path) -> None:
    theirs = write(tmp_path / "theirs", "codegen", CODEGEN)
    rewrite_in_chunks_of_8(tmp_path / "theirs", heads=8)
    import_folder(str(tmp_path / "theirs"), str(tmp_path / "ours"), mp_num=8)
    assert_same_logits(tmp_path / "ours", theirs)
    import_folder(str(tmp_path / "theirs"), str(tmp_path / "wrong"), mp_num=4)
    with pytest.raises(AssertionError):
        assert_same_logits(tmp_path / "wrong", theirs)


def test_the_published_shapes_have_their_number_of_chunks() -> None:
    configs = Path(__file__).parent.parent / "models/configs"
    numbers = {}
    for path in [*configs.glob("codegen-*.json"), *configs.glob("codegen2-*.json")]:
        dims, _ = CodeGen2.from_hf_config(json.loads(path.read_text()))
        numbers[path.stem] = default_mp_num(dims)
    assert len(numbers) == 8
    eight = {name for name, number in numbers.items() if number == 8}
    assert eight == {"codegen2-1B", "codegen2-3.7B"}


@pytest.fixture
def published(trained_with_8_heads: str, tmp_path: Path) -> Path:
    """The directory of a trained model in 8 chunks, without what only Stackpile writes."""
    place = tmp_path / "published"
    export_run(Run.open(trained_with_8_heads), str(place))
    (place / "stackpile.json").unlink()
    config = json.loads((place / "config.json").read_text())
    del config["mp_num"]
    (place / "config.json").write_text(json.dumps(config | {"eos_token_id": 2}))
    rewrite_in_chunks_of_8(place, heads=8)
    return place


def test_a_number_of_chunks_that_another_is_clearly_better_than_is_refused(
    published, trained_with_8_heads, tmp_path
) -> None:
    for mp_num in (None, 4):
        with pytest.raises(UsageError, match="give --mp-num 8"):
            import_folder(str(published), str(tmp_path / "ours"), mp_num)
    assert not (tmp_path / "ours").exists()
    import_folder(str(published), str(tmp_path / "ours"), 8)
    sampling = Sampling(12, temperature=0)
    made = [
        sample_texts(LanguageModel.open(path), [Prompt("def "), Prompt("import")], sampling)
        for path in (str(tmp_path / "ours"), trained_with_8_heads)
    ]
    assert made[0] == made[1]


def test_a_directory_that_was_not_imported_is_not_sampled_from(published) -> None:
    with pytest.raises(UsageError, match="import it first"):
        LanguageModel.open(str(published))


def test_a_pickle_is_refused_with_a_conversion(tmp_path) -> None:
    write(tmp_path / "theirs", "llama", LLAMA)
    (tmp_path / "theirs/model.safetensors").rename(tmp_path / "theirs/pytorch_model.bin")
    with pytest.raises(UsageError, match=r"are a pickle.*convert.*save_pretrained"):
        import_folder(str(tmp_path / "theirs"), str(tmp_path / "ours"))


def test_several_files_and_buffers_of_old_checkpoints_are_read(tmp_path) -> None:
    theirs = write(tmp_path / "theirs", "codegen", CODEGEN, max_shard_size="200KB")
    index = tmp_path / "theirs/model.safetensors.index.json"
    content = json.loads(index.read_text())
    assert len(set(content["weight_map"].values())) > 2
    name = content["weight_map"]["lm_head.weight"]
    tensors = load_file(tmp_path / "theirs" / name)
    tensors["transformer.h.0.attn.causal_mask"] = torch.ones(1, 1, 4, 4, dtype=torch.bool)
    save_file(tensors, tmp_path / "theirs" / name)
    import_folder(str(tmp_path / "theirs"), str(tmp_path / "ours"))
    assert_same_logits(tmp_path / "ours", theirs)


def change_config(place: Path, **changed) -> None:
    config = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps(config | changed))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model_type": "gpt2"}, "model_type 'gpt2' cannot be read; there are: codegen, llama"),
        ({"num_key_value_heads": 2}, "num_key_value_heads must be num_attention_heads"),
        ({"tie_word_embeddings": True}, "tie_word_embeddings is True, and Stackpile's Llama has"),
        ({"hidden_act": "gelu"}, "hidden_act is gelu, and Stackpile's Llama has silu"),
        ({"rope_scaling": {"factor": 2.0}}, "scaled rotary positions are not supported"),
        ({"num_attention_heads": 0}, "config.json"),
        ({"hidden_size": "wide"}, "config.json"),
    ],
)
def test_another_architecture_is_refused(tmp_path, changed, message) -> None:
    write(tmp_path / "theirs", "llama", LLAMA)
    change_config(tmp_path / "theirs", **changed)
    with pytest.raises((UsageError, DataError), match=message):
        import_folder(str(tmp_path / "theirs"), str(tmp_path / "ours"))


def test_damaged_and_missing_files_are_named(tmp_path) -> None:
    place = tmp_path / "theirs"
    write(place, "llama", LLAMA)

    def refused(kind: type[Exception], message: str) -> None:
        with pytest.raises(kind, match=message):
            import_folder(str(place), str(tmp_path / "ours"))

    change_config(place, num_hidden_layers=3)
    refused(DataError, "lacks the tensor model.layers.2.*and 8 more")
    change_config(place, num_hidden_layers=1)
    refused(DataError, "has besides the model's the tensor model.layers.1")
    change_config(place, num_hidden_layers=2, intermediate_size=95)
    refused(DataError, r"mlp.gate_proj.weight: shape \[96, 64\], and the model has \[95, 64\]")
    change_config(place, intermediate_size=96)
    whole = (place / "model.safetensors").read_bytes()
    (place / "model.safetensors").write_bytes(whole[:-100])
    refused(DataError, "is not a whole safetensors file")
    (place / "model.safetensors").write_bytes(whole)
    (place / "tokenizer.json").unlink()
    refused(UsageError, r"has no tokenizer.json; `stackpile tokenizer rebuild` makes")
    (place / "config.json").write_text("[]")
    refused(DataError, "config.json: is not a JSON object")
    (place / "config.json").unlink()
    refused(UsageError, "it has no config.json")


def test_mp_num_is_for_codegen_and_divides_the_heads(tmp_path) -> None:
    write(tmp_path / "llama", "llama", LLAMA)
    with pytest.raises(UsageError, match="--mp-num: is 4 or 8, and only for CodeGen"):
        import_folder(str(tmp_path / "llama"), str(tmp_path / "ours"), 8)
    write(tmp_path / "codegen", "codegen", CODEGEN | {"n_head": 4})
    with pytest.raises(UsageError, match="--mp-num 8: the model has 4 heads"):
        import_folder(str(tmp_path / "codegen"), str(tmp_path / "ours"), 8)
    with pytest.raises(UsageError, match="--mp-num: is 4 or 8"):
        import_folder(str(tmp_path / "codegen"), str(tmp_path / "ours"), 2)
    config = json.loads((tmp_path / "codegen" / "config.json").read_text())
    (tmp_path / "codegen" / "config.json").write_text(json.dumps(config | {"mp_num": 2}))
    with pytest.raises(UsageError, match=r"config\.json: mp_num is 2, and not 4 or 8"):
        import_folder(str(tmp_path / "codegen"), str(tmp_path / "ours"))


def test_a_tokenizer_may_be_given_and_must_fit(tmp_path) -> None:
    write(tmp_path / "theirs", "llama", LLAMA)
    tokenizer = tmp_path / "other.json"
    (tmp_path / "theirs/tokenizer.json").rename(tokenizer)
    import_folder(str(tmp_path / "theirs"), str(tmp_path / "ours"), tokenizer=str(tokenizer))
    assert (tmp_path / "ours/tokenizer.json").read_bytes() == TOKENIZER
    content = json.loads(TOKENIZER)
    content["added_tokens"].append(content["added_tokens"][-1] | {"id": 300, "content": "<x>"})
    tokenizer.write_text(json.dumps(content))
    with pytest.raises(UsageError, match=r"has 301 ids, and the model of .* has 263"):
        import_folder(str(tmp_path / "theirs"), str(tmp_path / "o2"), tokenizer=str(tokenizer))
