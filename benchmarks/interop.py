"""Measure how far the logits of exports and imports are from transformers', at published widths.

Each model has the width, heads, MLP and rotary dimensions of a published one, and two layers with
arbitrary weights. A model of 8 chunks is written by transformers' row order, permuted head by head.
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from benchmarks.claims import Claim, main, say
from manifests.special_tokens import SpecialTokens
from manifests.tokenizer.tokenizer import train_tokenizer
from trainer.interop.export import export
from trainer.interop.folder import ModelFolder
from trainer.interop.import_folder import import_folder
from trainer.interop.mp_num import default_mp_num
from trainer.models import MODELS
from trainer.sampling.generate import Decoding, Sampling, generate

ALLOWED = 1e-5
"""Largest difference of logits, in float32."""

SHAPES = [
    ("codegen2", "350M"),
    ("codegen2", "1B"),
    ("codegen2", "2B"),
    ("codegen2", "3.7B"),
    ("codegen2", "7B"),
    ("llama", "7B"),
]
CONTROL = SpecialTokens(end=256, sep=257, eom=258, mask_1=262, masks=4, vocabulary=263)
PACKAGES = ("torch", "transformers", "safetensors")


def in_chunks_of_8(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """Return the rows of a fused projection of 4 chunks in the order of 8, head by head."""
    head = len(rows) // (3 * heads)

    def first_row(mp_num: int, kind: int, number: int) -> int:
        chunk, inside = divmod(number, heads // mp_num)
        return (chunk * 3 + kind) * (heads // mp_num) * head + inside * head

    moved = torch.empty_like(rows)
    for kind in range(3):
        for number in range(heads):
            old, new = first_row(4, kind, number), first_row(8, kind, number)
            moved[new : new + head] = rows[old : old + head]
    return moved


@torch.inference_mode()
def differences(name: str, size: str, work: str) -> tuple[float, float, float, int]:
    """Return the largest differences of an export, of an import, and equal greedy tokens of 32."""
    from transformers import AutoModelForCausalLM

    published = MODELS[name].sizes[size]
    dims, place = published.model_copy(update={"layers": 2}), f"{work}/{name}-{size}"
    torch.manual_seed(3)
    model = MODELS[name](dims, CONTROL.vocabulary)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.02)
    model.eval()
    export(model, CONTROL, 2048, train_tokenizer(["a"], 263, 4), place)
    theirs = AutoModelForCausalLM.from_pretrained(place).eval()
    tokens = torch.randint(0, CONTROL.vocabulary, (2, 512))
    wanted = theirs(tokens).logits
    exported = float((model.logits(tokens) - wanted).abs().max())
    sampling = Sampling(tokens=32, temperature=0)
    [[made]] = generate(model, [tokens[0].tolist()], sampling, Decoding(2048, frozenset()))
    answer = theirs.generate(
        tokens[:1], max_new_tokens=32, do_sample=False, eos_token_id=None, suppress_tokens=None
    )[0, 512:].tolist()
    equal = sum(a == b for a, b in zip(made.tokens, answer, strict=True))
    mp_num = default_mp_num(published) if name == "codegen2" else None
    as_published(Path(place), dims.heads, mp_num)
    import_folder(place, f"{place}-imported", mp_num)
    imported = ModelFolder.open(f"{place}-imported").model().logits(tokens)
    return exported, float((imported - wanted).abs().max()), float(wanted.abs().max()), equal


def as_published(place: Path, heads: int, mp_num: int | None) -> None:
    """Make an exported directory one that Stackpile did not write, with its number of chunks."""
    (place / "stackpile.json").unlink()
    config = json.loads((place / "config.json").read_text())
    config.pop("mp_num", None)
    (place / "config.json").write_text(json.dumps(config))
    if mp_num == 8:
        tensors = load_file(place / "model.safetensors")
        for name, tensor in tensors.items():
            if name.endswith("qkv_proj.weight"):
                tensors[name] = in_chunks_of_8(tensor, heads)
        save_file(tensors, place / "model.safetensors", metadata={"format": "pt"})


def measure(data: Path) -> Sequence[Claim]:
    """Export and import models of each published width."""
    rows = []
    for name, size in SHAPES:
        say(f"interop: {name} {size}")
        with tempfile.TemporaryDirectory() as work:
            rows.append(differences(name, size, work))
    exported, imported, largest, equal = zip(*rows, strict=True)
    text = f"{{}} of {len(SHAPES)} published widths: 1e-5 over the largest difference of logits to "
    text += f"transformers', which are up to {max(largest):.2g}"
    total = 32 * len(SHAPES)
    return [
        Claim(text.format("exports"), ALLOWED, max(exported), 1, PACKAGES),
        Claim(text.format("imports (8 and 4 chunks)"), ALLOWED, max(imported), 1, PACKAGES),
        Claim("greedy tokens that are those of transformers", sum(equal), total, 1, PACKAGES),
    ]


if __name__ == "__main__":
    main("benchmarks.interop", measure)
