"""Small models, a vocabulary with control tokens, and directories that transformers wrote."""

from pathlib import Path

import pytest
import torch

from manifests.special_tokens import SpecialTokens
from manifests.tokenizer.tokenizer import train_tokenizer
from tests.trainer.conftest import write_run
from trainer.config import load_run_config
from trainer.interop.export import export
from trainer.models import MODELS, DecoderDims
from trainer.train import train

CONTROL = SpecialTokens(end=256, sep=257, eom=258, mask_1=262, masks=4, vocabulary=263)
TOKENIZER = train_tokenizer(["a b c"], 263, 4)


def make(name: str, dims: DecoderDims, vocabulary: int = CONTROL.vocabulary):
    """Return a model with arbitrary weights."""
    torch.manual_seed(1)
    model = MODELS[name](dims, vocabulary)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


@pytest.fixture
def exported(tmp_path: Path):
    """`exported(model, **options) -> path`: the model's directory."""

    def write(model, **options) -> str:
        place = str(tmp_path / "hf")
        export(model, CONTROL, 128, TOKENIZER, place, **options)
        return place

    return write


@pytest.fixture(scope="session")
def trained_with_8_heads(
    tmp_path_factory: pytest.TempPathFactory, small_dataset_made_once: Path
) -> str:
    """The directory of a run of a model with 8 heads, long enough to tell code from noise."""
    path = write_run(tmp_path_factory.mktemp("eight"), small_dataset_made_once)
    size = "model.size={ layers = 2, width = 64, heads = 8, inner = 128 }"
    quick = ["batch.micro_batch=8", "checkpoint.every=150"]
    config = load_run_config(path, [size, "data.objective=clm", "schedule.steps=150", *quick])
    train(config)
    return config.output
